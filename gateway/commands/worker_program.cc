#include "gateway/commands/worker_program.h"

#include <set>
#include <system_error>

#include "CLI/CLI.hpp"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/environment.h"
#include "common/strings.h"
#include "gateway/commands/command.h"

namespace tiffin::gateway {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kWorkerPrefix = "tiffin-worker-";

std::string FoldersText(std::span<const fs::path> folders) {
  return absl::StrJoin(folders, ", ", [](std::string* out, const fs::path& folder) {
    out->append(folder.native());
  });
}

}  // namespace

void AddWorkerDir(CLI::App& command, std::vector<std::string>& given) {
  // One value each time: it must not swallow the positional arguments behind it.
  command
      .add_option(
          "--worker-dir", given,
          StrCat("A folder of worker programs, searched before those of $",
                 environment::kWorkerPath.name, " and the folder of this program; again for each"))
      ->allow_extra_args(false);
}

std::vector<fs::path> WorkerFolders(std::span<const std::string> given) {
  std::vector<fs::path> folders(given.begin(), given.end());
  const std::string more = environment::Get(environment::kWorkerPath);
  for (const absl::string_view folder : absl::StrSplit(more, ':', absl::SkipEmpty())) {
    folders.emplace_back(ToStd(folder));
  }
  folders.push_back(ProgramFolder());
  return folders;
}

std::vector<std::string> BackendsIn(std::span<const fs::path> folders) {
  std::set<std::string> backends;
  for (const fs::path& folder : folders) {
    std::error_code code;
    for (fs::directory_iterator entry(folder, code); !code && entry != fs::directory_iterator();
         entry.increment(code)) {
      const std::string name = entry->path().filename().string();
      if (name.starts_with(kWorkerPrefix)) backends.insert(name.substr(kWorkerPrefix.size()));
    }
  }
  return {backends.begin(), backends.end()};
}

absl::StatusOr<fs::path> FindWorkerProgram(std::string_view backend,
                                           std::span<const fs::path> folders) {
  const std::string name = StrCat(kWorkerPrefix, backend);
  if (backend.find('/') == std::string_view::npos) {
    for (const fs::path& folder : folders) {
      std::error_code code;
      // Absolute: the worker is found whatever the folder that it is started in.
      if (fs::exists(folder / name, code)) return fs::absolute(folder / name, code);
    }
  }
  const std::vector<std::string> backends = BackendsIn(folders);
  return absl::NotFoundError(StrCat(
      "backend '", backend, "': no worker program ", name, " in ", FoldersText(folders), " (",
      backends.empty()
          ? "no worker is there; build them beside this program, or name their folder with "
            "--worker-dir"
          : StrCat("have ", absl::StrJoin(backends, ", "),
                   "; choose one of them, or name the folder of another with --worker-dir"),
      ")"));
}

}  // namespace tiffin::gateway
