#include "gateway/commands/command.h"

#include <cstdio>
#include <string>
#include <system_error>

#include "CLI/CLI.hpp"
#include "common/config/diagnostics.h"
#include "common/strings.h"
#include "gateway/commands/diagnostic_report.h"

namespace tiffin::gateway {

int RunCommandLine(int argc, const char* const* argv, std::initializer_list<AddCommand> commands) {
  CLI::App app("Tiffin serves many models as one service.", "tiffin");
  app.require_subcommand(1);
  Command chosen;
  for (const AddCommand add : commands) add(app, chosen);
  // CLI11 reports by exceptions, which end here; --help is one of them.
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitDone : kExitUsage;
  }
  return chosen();
}

int ReportError(const absl::Status& status) {
  if (config::DiagnosticsIn(status).empty()) {
    const std::string line = StrCat("tiffin: ", Message(status), "\n");
    std::fputs(line.c_str(), stderr);
  } else {
    PrintDiagnostics(status);  // Each begins with its place.
  }
  return status.code() == absl::StatusCode::kInvalidArgument ? kExitUsage : kExitFailed;
}

std::filesystem::path ProgramFolder() {
  std::error_code code;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", code);
  return code ? std::filesystem::path(".") : program.parent_path();
}

}  // namespace tiffin::gateway
