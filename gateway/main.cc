#include "absl/synchronization/mutex.h"
#include "gateway/commands/command.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"

int main(int argc, char** argv) {
  using namespace tiffin::gateway;  // NOLINT(google-build-using-namespace): main() only.
  // Debian builds Abseil with its search for lock cycles on, which costs a graph update for each
  // lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  spdlog::set_default_logger(spdlog::stderr_color_mt("tiffin"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  return RunCommandLine(argc, argv, {AddServe, AddCheck, AddTop, AddTune, AddProbe, AddModels});
}
