#include "absl/synchronization/mutex.h"
#include "gateway/commands/command.h"

int main(int argc, char** argv) {
  using namespace tiffin::gateway;  // NOLINT(google-build-using-namespace): main() only.
  // Debian builds Abseil with its search for lock cycles on, which costs a graph update for each
  // lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return RunCommandLine(
      argc, argv,
      {AddServe, AddCall, AddCheck, AddTop, AddTune, AddProbe, AddModels, AddReference});
}
