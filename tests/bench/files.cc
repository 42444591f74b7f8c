#include "tests/bench/files.h"

#include <fstream>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "common/strings.h"

namespace tiffin::bench {

absl::StatusOr<std::string> ReadFile(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file) return absl::NotFoundError(StrCat("cannot read '", name, "'"));
  return std::move(content).str();
}

}  // namespace tiffin::bench
