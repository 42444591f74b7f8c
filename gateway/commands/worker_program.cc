#include "gateway/commands/worker_program.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/strings.h"

namespace tiffin::gateway {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kWorkerPrefix = "tiffin-worker-";

}  // namespace

std::vector<std::string> BackendsIn(const fs::path& folder) {
  std::vector<std::string> backends;
  std::error_code code;
  for (fs::directory_iterator entry(folder, code); !code && entry != fs::directory_iterator();
       entry.increment(code)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(kWorkerPrefix)) backends.push_back(name.substr(kWorkerPrefix.size()));
  }
  std::sort(backends.begin(), backends.end());
  return backends;
}

absl::StatusOr<fs::path> FindWorkerProgram(std::string_view backend, const fs::path& folder) {
  fs::path program = folder / StrCat(kWorkerPrefix, backend);
  std::error_code code;
  if (backend.find('/') == std::string_view::npos && fs::exists(program, code)) return program;

  const std::vector<std::string> backends = BackendsIn(folder);
  return absl::NotFoundError(StrCat(
      "backend '", backend, "': no worker program ", program.string(), " (",
      backends.empty() ? "no worker is there; build them beside this program"
                       : StrCat("have ", absl::StrJoin(backends, ", "), "; choose one of them"),
      ")"));
}

}  // namespace tiffin::gateway
