#include "gateway/commands/describe_worker.h"

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/ask_worker.h"

namespace tiffin::gateway {

absl::StatusOr<WorkerDescription> DescribeWorker(const std::filesystem::path& program,
                                                 const std::vector<std::string>& arguments,
                                                 const ProgramLimits& limits) {
  ASSIGN_OR_RETURN(const std::string answer, AskWorker(program, arguments, limits));
  absl::StatusOr<WorkerDescription> description = WorkerDescriptionFromJson(answer);
  if (!description.ok()) {
    return absl::InternalError(StrCat(program.filename().string(), ": its description is broken: ",
                                      Message(description.status())));
  }
  return description;
}

}  // namespace tiffin::gateway
