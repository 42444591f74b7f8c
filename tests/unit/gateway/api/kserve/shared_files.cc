#include "tests/unit/gateway/api/kserve/shared_files.h"

#include <fcntl.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/strings.h"

namespace tiffin::gateway::testing {

SharedFiles::SharedFiles()
    : descriptor_(::open(path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

std::string SharedFiles::PathOf(std::string_view name) const { return StrCat(path(), "/", name); }

void SharedFiles::Write(std::string_view name, std::string_view content) const {
  std::ofstream(PathOf(name), std::ios::binary) << content;
}

std::string SharedFiles::Read(std::string_view name) const {
  std::ifstream file(PathOf(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void SharedFiles::Resize(std::string_view name, uint64_t size) const {
  std::filesystem::resize_file(PathOf(name), size);
}

void SharedFiles::Remove(std::string_view name) const { std::filesystem::remove(PathOf(name)); }

size_t OpenDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

}  // namespace tiffin::gateway::testing
