#include "gateway/commands/new_service.h"

#include <fcntl.h>

#include <algorithm>
#include <system_error>

#include "absl/strings/str_replace.h"
#include "common/config/name_hint.h"
#include "common/model/file.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/typed/proto_files.h"
#include "gateway/commands/service_templates.h"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kForBoth = "both";
// Of the test, behind what serves.
constexpr std::string_view kCppFlags = ",\n               \"--worker-dir\", HERE / \"build\"";

// What has been made so far; it goes away again unless it is kept.
class Unfinished {
 public:
  Unfinished() = default;
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished() {
    std::error_code ignored;  // There is nobody to tell: something went wrong before.
    std::for_each(made_.rbegin(), made_.rend(),
                  [&](const fs::path& path) { fs::remove(path, ignored); });
  }

  void Keep() { made_.clear(); }

  absl::Status MakeFolder(const fs::path& folder) {
    std::error_code code;
    if (!fs::create_directory(folder, code)) {
      return absl::FailedPreconditionError(StrCat("can't make the folder '", folder.native(),
                                                  "': ", code.message(),
                                                  "; name another one with --into"));
    }
    made_.push_back(folder);
    return absl::OkStatus();
  }

  absl::Status WriteFile(const fs::path& path, std::string_view text) {
    ASSIGN_OR_RETURN(const model::File file, model::File::Open(path, O_WRONLY | O_CREAT | O_EXCL));
    made_.push_back(path);
    return file.WriteAll(text);
  }

 private:
  std::vector<fs::path> made_;
};

absl::Status CheckEmpty(const fs::path& folder) {
  std::error_code code;
  const fs::directory_iterator entry(folder, code);
  if (code) {
    return absl::FailedPreconditionError(StrCat("can't write into '", folder.native(), "': ",
                                                code.message(), "; name a folder with --into"));
  }
  if (entry == fs::directory_iterator()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("the folder '", folder.native(), "' is not empty (it has '",
             entry->path().filename().native(), "'); name another one with --into"));
}

}  // namespace

absl::Status CheckServiceName(const std::string& name) {
  std::string error = config::NameError("service", name);
  if (name == "null")
    error = "a service can't be named 'null', which is nothing in YAML; rename it";
  return error.empty() ? absl::OkStatus() : absl::InvalidArgumentError(error);
}

absl::StatusOr<std::vector<std::string>> WriteService(const NewService& service) {
  Unfinished unfinished;
  std::error_code code;
  if (fs::exists(service.folder, code)) {
    RETURN_IF_ERROR(CheckEmpty(service.folder));
  } else {
    RETURN_IF_ERROR(unfinished.MakeFolder(service.folder));
  }
  std::vector<std::string> files;
  for (const ServiceTemplate& source : ServiceTemplates()) {
    if (source.kind != kForBoth && source.kind != service.runner) continue;
    const std::string text = absl::StrReplaceAll(
        ToAbsl(source.text),
        {{"{{name}}", service.name},
         {"{{Name}}", typed::CamelCase(service.name)},
         {"{{flags}}", ToAbsl(service.runner == kCppRunner ? kCppFlags : std::string_view())}});
    files.emplace_back(source.file);
    RETURN_IF_ERROR(unfinished.WriteFile(service.folder / files.back(), text));
  }
  unfinished.Keep();
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace tiffin::gateway
