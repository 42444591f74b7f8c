#include "gateway/commands/command.h"

#include <cstdio>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/config/diagnostics.h"
#include "common/strings.h"
#include "gateway/commands/diagnostic_report.h"
#include "gateway/commands/help.h"

namespace tiffin::gateway {

namespace {

// Begins an argument in brackets, such as a JSON list, which CLI11 would take apart.
constexpr char kGuard = '\x1f';

// In the order that CLI11 wants: the last first.
std::vector<std::string> GuardedArguments(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) {
    std::string argument = argv[i];
    if (argument.starts_with('[') && argument.ends_with(']')) argument.insert(0, 1, kGuard);
    arguments.push_back(std::move(argument));
  }
  return arguments;
}

// Has all values of `app`'s commands come without the guard.
void StripGuards(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_expected_max() == 0) continue;  // A flag.
    option->transform([](const std::string& value) {
      return value.starts_with(kGuard) ? value.substr(1) : value;
    });
  }
  for (CLI::App* command : app.get_subcommands(nullptr)) StripGuards(*command);
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv, std::initializer_list<AddCommand> commands) {
  CLI::App app("Tiffin serves many models as one service.", "tiffin");
  UseHelpFormat(app);
  app.require_subcommand(1);
  Command chosen;
  for (const AddCommand& add : commands) add(app, chosen);
  StripGuards(app);
  Teach(app, {"tiffin check deploy/examples/inference_graph_demo/service.yaml --store build/models",
              "tiffin serve deploy/examples/inference_graph_demo/service.yaml --store build/models",
              "tiffin call inference_graph_demo.predict @build/images/digits/digit_7.png"});
  // CLI11 reports by exceptions, which end here; --help is one of them.
  try {
    app.parse(GuardedArguments(argc, argv));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::fputs(UsageText(app, error).c_str(), stderr);
    return kExitUsage;
  }
  return chosen();
}

int ExitCodeOf(const absl::Status& status) {
  return status.code() == absl::StatusCode::kInvalidArgument ? kExitUsage : kExitFailed;
}

int ReportError(const absl::Status& status) {
  if (config::DiagnosticsIn(status).empty()) {
    const std::string line = StrCat("tiffin: ", Message(status), "\n");
    std::fputs(line.c_str(), stderr);
  } else {
    PrintDiagnostics(status);  // Each begins with its place.
  }
  return ExitCodeOf(status);
}

std::filesystem::path ProgramFolder() {
  std::error_code code;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", code);
  return code ? std::filesystem::path(".") : program.parent_path();
}

}  // namespace tiffin::gateway
