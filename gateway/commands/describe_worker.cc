#include "gateway/commands/describe_worker.h"

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

constexpr int kExitWrongConfiguration = 2;

}  // namespace

absl::StatusOr<WorkerDescription> DescribeWorker(const std::filesystem::path& program,
                                                 const std::vector<std::string>& arguments,
                                                 const ProgramLimits& limits) {
  ASSIGN_OR_RETURN(const ProgramOutput output, RunProgram(program, arguments, "", limits));
  const std::string who = program.filename().string();
  if (output.ending.exit_code == kExitWrongConfiguration) {
    return absl::InvalidArgumentError(LastWords(output.err));
  }
  if (output.ending.exit_code != 0) {
    const std::string how =
        StrCat(who, ": ended with ", output.ending.text, ": ", LastWords(output.err));
    return output.ending.exit_code.has_value() ? absl::FailedPreconditionError(how)
                                               : absl::UnavailableError(how);
  }
  absl::StatusOr<WorkerDescription> description = WorkerDescriptionFromJson(output.out);
  if (!description.ok()) {
    return absl::InternalError(
        StrCat(who, ": its description is broken: ", Message(description.status())));
  }
  return description;
}

}  // namespace tiffin::gateway
