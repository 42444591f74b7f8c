#pragma once

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <string>

#include "absl/status/status.h"

namespace CLI {
class App;
}  // namespace CLI

// The commands of the program `tiffin`: one file each.
namespace tiffin::gateway {

class Registry;
using AddExtensions = void (*)(Registry& registry);  // As in graph/plugin.h.

// What every command ends with.
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;  // Wrong usage or configuration.

// Does what the command line asks for; the result is the exit code.
using Command = std::function<int()>;

// Adds a command's subcommand to `app`. When the command line names it, parsing puts its Command
// into `chosen`, to run when parsing is over. Both outlive the parsing and the run.
using AddCommand = std::function<void(CLI::App& app, Command& chosen)>;

// `own` is what this program adds to graphs; may be null.
void AddCall(CLI::App& app, Command& chosen);
void AddCheck(CLI::App& app, Command& chosen, AddExtensions own);
void AddModels(CLI::App& app, Command& chosen);
void AddNew(CLI::App& app, Command& chosen);
void AddProbe(CLI::App& app, Command& chosen);
void AddReference(CLI::App& app, Command& chosen);
void AddServe(CLI::App& app, Command& chosen, AddExtensions own);
void AddToken(CLI::App& app, Command& chosen);
void AddTop(CLI::App& app, Command& chosen);
void AddTune(CLI::App& app, Command& chosen, AddExtensions own);

// The whole of main(): parses the arguments and runs the command that they name.
int RunCommandLine(int argc, const char* const* argv, std::initializer_list<AddCommand> commands);

// Of a command that failed.
int ExitCodeOf(const absl::Status& status);
// Prints why a command failed on stderr; the exit code for it.
int ReportError(const absl::Status& status);

// The folder that this program was started from, where its workers lie too.
std::filesystem::path ProgramFolder();

}  // namespace tiffin::gateway
