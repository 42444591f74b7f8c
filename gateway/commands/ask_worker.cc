#include "gateway/commands/ask_worker.h"

#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

constexpr int kExitWrongConfiguration = 2;

}  // namespace

absl::StatusOr<std::string> AskWorker(const std::filesystem::path& program,
                                      const std::vector<std::string>& arguments,
                                      const ProgramLimits& limits) {
  ASSIGN_OR_RETURN(ProgramOutput output, RunProgram(program, arguments, "", limits));
  if (output.ending.exit_code == 0) return std::move(output.out);
  if (output.ending.exit_code == kExitWrongConfiguration) {
    return absl::InvalidArgumentError(LastWords(output.err));
  }
  const std::string how = StrCat(program.filename().string(), ": ended with ", output.ending.text,
                                 ": ", LastWords(output.err));
  return output.ending.exit_code.has_value() ? absl::FailedPreconditionError(how)
                                             : absl::UnavailableError(how);
}

}  // namespace tiffin::gateway
