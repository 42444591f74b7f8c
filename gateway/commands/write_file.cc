#include "gateway/commands/write_file.h"

#include <fstream>
#include <system_error>

#include "common/strings.h"

namespace tiffin::gateway {

absl::Status WriteFile(const std::filesystem::path& path, std::string_view content) {
  std::error_code ignored;  // The write tells.
  std::filesystem::create_directories(path.parent_path(), ignored);
  std::ofstream out(path);
  out << content;
  if (!out.flush()) {
    return absl::FailedPreconditionError(
        StrCat("can't write ", path.native(), "; name a folder that you may write to"));
  }
  return absl::OkStatus();
}

}  // namespace tiffin::gateway
