#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/environment.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/command.h"
#include "gateway/commands/help.h"
#include "gateway/commands/new_service.h"
#include "gateway/commands/print.h"

// `tiffin new`: a service that runs as it is, for its author to change.
namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;

constexpr char kProgram[] = "tiffin";

struct NewOptions {
  std::string name;
  std::string runner = kPythonRunner;
  std::optional<std::string> into;
};

// `text` as a word for a shell.
std::string ShellWord(const std::string& text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+@%,=";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  return StrCat("'", absl::StrJoin(absl::StrSplit(text, '\''), "'\\''"), "'");
}

// True if it is this program that a shell runs as `tiffin`.
bool IsOnPath() {
  const std::string folders = environment::Get(environment::kPath);
  for (const absl::string_view folder : absl::StrSplit(folders, ':', absl::SkipEmpty())) {
    const fs::path program = fs::path(ToStd(folder)) / kProgram;
    std::error_code code;
    if (fs::exists(program, code)) return fs::equivalent(program, "/proc/self/exe", code);
  }
  return false;
}

// True for what 'cmake --install' has made, where users' programs find what they are built with.
bool IsInstalled() {
  std::error_code code;
  return fs::exists(ProgramFolder().parent_path() / "include/tiffin/backend.h", code);
}

// What makes the commands behind it work; empty where they do as it is.
std::string FirstStep(const NewService& service) {
  // A gateway of a user's own, who knows where `tiffin` is.
  if (std::error_code code; !fs::exists(ProgramFolder() / kProgram, code)) return "";
  if (service.runner == kCppRunner && !IsInstalled()) {
    const std::string build = ShellWord(ProgramFolder().parent_path().native());
    return StrCat("  cmake --build ", build, " --target installable\n  cmake --install ", build,
                  " --prefix \"$PWD/installed\"\n  export PATH=\"$PWD/installed/bin:$PATH\"\n");
  }
  if (IsOnPath()) return "";
  return StrCat("  export PATH=", ShellWord(ProgramFolder().native()), ":\"$PATH\"\n");
}

std::string NextSteps(const NewService& service) {
  const bool is_built = service.runner == kCppRunner;
  return StrCat("Next:\n", FirstStep(service), "  cd ", ShellWord(service.folder.native()), "\n",
                is_built ? "  cmake -B build && cmake --build build\n" : "",
                "  tiffin serve service.yaml", is_built ? " --worker-dir build" : "",
                "\n  tiffin call ", service.name,
                ".predict text='What a lovely dinner!'      # in another terminal\n",
                "README.md tells how to test it and to change it.\n");
}

absl::Status MakeNew(const NewOptions& options) {
  RETURN_IF_ERROR(CheckServiceName(options.name));
  const NewService service{.name = options.name,
                           .runner = options.runner,
                           .folder = options.into.value_or(options.name)};
  ASSIGN_OR_RETURN(const std::vector<std::string> files, WriteService(service));
  Print(StrCat(service.folder.native(), ": ", absl::StrJoin(files, " "), "\n", NextSteps(service)));
  return absl::OkStatus();
}

}  // namespace

void AddNew(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<NewOptions>();  // Shared with the command that may run.
  CLI::App* add = app.add_subcommand(
      "new", "Write a service to begin with: it runs as it is, has a test, and needs no model.");
  add->add_option("name", options->name, "The service's name")->required();
  add->add_option("--runner", options->runner, "What its model is written in")
      ->check(CLI::IsMember({kPythonRunner, kCppRunner}))
      ->capture_default_str();
  add->add_option("--into", options->into,
                  "The folder for it, new or empty (default: the name, in the current folder)");
  Teach(*add, {"tiffin new mood", "tiffin new mood --runner cpp --into mood_cpp"});
  add->callback([options, &chosen] {
    chosen = [options] {
      const absl::Status made = MakeNew(*options);
      return made.ok() ? kExitDone : ReportError(made);
    };
  });
}

}  // namespace tiffin::gateway
