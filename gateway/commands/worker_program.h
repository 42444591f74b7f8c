#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace CLI {
class App;
}  // namespace CLI

// Worker programs: tiffin-worker-BACKEND, in one of several folders. The first that has it counts.
namespace tiffin::gateway {

// The flag --worker-dir, which may be given again. `given` outlives the parsing.
void AddWorkerDir(CLI::App& command, std::vector<std::string>& given);

// Where workers are looked for, in this order: the folders given, those of $TIFFIN_WORKER_PATH, and
// the one of this program.
std::vector<std::filesystem::path> WorkerFolders(std::span<const std::string> given);

// The backends whose worker programs are in the folders, sorted, each once.
std::vector<std::string> BackendsIn(std::span<const std::filesystem::path> folders);

// Where the worker program for `backend` lies. NOT_FOUND names the folders, and the backends whose
// workers are there.
absl::StatusOr<std::filesystem::path> FindWorkerProgram(
    std::string_view backend, std::span<const std::filesystem::path> folders);

}  // namespace tiffin::gateway
