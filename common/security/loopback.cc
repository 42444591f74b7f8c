#include "common/security/loopback.h"

#include <string>

#include "boost/asio/ip/address.hpp"

namespace tiffin::security {

bool IsLoopback(std::string_view address) {
  if (address.starts_with("unix:") || address.starts_with("unix-abstract:")) return true;
  std::string_view host = address.substr(0, address.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") return true;
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(std::string(host), error);
  return !error && parsed.is_loopback();
}

}  // namespace tiffin::security
