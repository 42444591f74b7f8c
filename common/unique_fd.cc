#include "common/unique_fd.h"

#include <unistd.h>

namespace tiffin {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  // Closes what it held now, and not when `other` ends.
  UniqueFd held(std::exchange(fd_, std::exchange(other.fd_, -1)));
  return *this;
}

UniqueFd::~UniqueFd() {
  if (valid()) ::close(fd_);
}

}  // namespace tiffin
