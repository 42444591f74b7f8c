#include "gateway/commands/graph_files.h"

#include <string>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/run_program.h"
#include "gateway/commands/write_file.h"
#include "gateway/graph/drawing.h"

namespace tiffin::gateway {
namespace {

constexpr int kExitNotFound = 127;  // Of env.

absl::StatusOr<std::string> Render(const std::string& dot) {
  // `env` looks the program up in $PATH.
  ASSIGN_OR_RETURN(ProgramOutput output,
                   RunProgram("/usr/bin/env", {"dot", "-Tsvg"}, dot, ProgramLimits{}));
  if (output.ending.exit_code == 0) return std::move(output.out);
  if (output.ending.exit_code == kExitNotFound) {
    return absl::FailedPreconditionError(
        "--graph draws with Graphviz' program 'dot', which is not installed; run 'apt-get install "
        "graphviz'");
  }
  return absl::InternalError(
      StrCat("dot: ended with ", output.ending.text, ": ", LastWords(output.err)));
}

}  // namespace

absl::Status WriteGraphs(std::span<const PlannedService> services,
                         const std::filesystem::path& folder) {
  for (const PlannedService& service : services) {
    for (const PlannedApi& api : service.apis) {
      ASSIGN_OR_RETURN(const std::string picture, Render(DrawInDot(api)));
      RETURN_IF_ERROR(WriteFile(folder / StrCat(service.name, ".", api.name, ".svg"), picture));
    }
  }
  return absl::OkStatus();
}

}  // namespace tiffin::gateway
