#include <memory>
#include <span>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/keys/rows.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/ask_worker.h"
#include "gateway/commands/command.h"
#include "gateway/commands/help.h"
#include "gateway/commands/print.h"
#include "gateway/commands/reference_text.h"
#include "gateway/commands/worker_program.h"

// `tiffin reference`: what may be configured, from what reads the configuration.
namespace tiffin::gateway {
namespace {

constexpr ProgramLimits kAskLimits{.time = absl::Seconds(30)};

void AddCommands(const CLI::App& app, const std::string& before,
                 std::vector<CommandReference>& commands) {
  for (const CLI::App* command : app.get_subcommands(/*filter=*/nullptr)) {
    const std::string name = StrCat(before, " ", command->get_name());
    commands.push_back({.name = name,
                        .description = command->get_description(),
                        .flags = keys::FlagRows(*command)});
    AddCommands(*command, name, commands);
  }
}

// What the workers say of themselves.
absl::StatusOr<std::vector<keys::WorkerReference>> AskWorkers(
    std::span<const std::filesystem::path> folders) {
  std::vector<keys::WorkerReference> workers;
  for (const std::string& backend : BackendsIn(folders)) {
    ASSIGN_OR_RETURN(const std::filesystem::path program, FindWorkerProgram(backend, folders));
    ASSIGN_OR_RETURN(const std::string answer, AskWorker(program, {"--reference"}, kAskLimits));
    absl::StatusOr<keys::WorkerReference> worker = keys::WorkerReferenceFromJson(answer);
    if (!worker.ok()) {
      return absl::InternalError(StrCat(program.native(), ": ", Message(worker.status())));
    }
    workers.push_back(*std::move(worker));
  }
  return workers;
}

enum class ReferenceForm { kMarkdown, kSchema };

int PrintReference(const CLI::App& app, ReferenceForm form,
                   std::span<const std::string> worker_dirs) {
  const auto workers = AskWorkers(WorkerFolders(worker_dirs));
  if (!workers.ok()) return ReportError(workers.status());
  if (form == ReferenceForm::kSchema) {
    Print(StrCat(ServiceSchema(*workers).dump(/*indent=*/2), "\n"));
    return kExitDone;
  }
  std::vector<CommandReference> commands;
  AddCommands(app, app.get_name(), commands);
  Print(ReferenceMarkdown(commands, *workers));
  return kExitDone;
}

}  // namespace

void AddReference(CLI::App& app, Command& chosen) {
  CLI::App* reference = app.add_subcommand(
      "reference", "Print every key, option, flag and environment variable, as Markdown.");
  // Shared with the command that may run.
  auto schema = std::make_shared<bool>(false);
  auto worker_dirs = std::make_shared<std::vector<std::string>>();
  reference->add_flag("--schema", *schema,
                      "Print the JSON schema of service files instead, for editors");
  AddWorkerDir(*reference, *worker_dirs);
  Teach(*reference, {"tiffin reference", "tiffin reference --schema"});
  reference->callback([schema, worker_dirs, &app, &chosen] {
    chosen = [schema, worker_dirs, &app] {
      return PrintReference(app, *schema ? ReferenceForm::kSchema : ReferenceForm::kMarkdown,
                            *worker_dirs);
    };
  });
}

}  // namespace tiffin::gateway
