#include "gateway/commands/gateway_main.h"

#include "absl/synchronization/mutex.h"
#include "gateway/commands/command.h"

namespace tiffin::gateway {

int GatewayMain(int argc, const char* const* argv, AddExtensions add) {
  // Debian builds Abseil with its search for lock cycles on, which costs a graph update for each
  // lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const auto with = [add](void (*command)(CLI::App&, Command&, AddExtensions)) {
    return [=](CLI::App& app, Command& chosen) { command(app, chosen, add); };
  };
  return RunCommandLine(argc, argv,
                        {AddNew, with(AddServe), AddCall, with(AddCheck), AddTop, with(AddTune),
                         AddProbe, AddModels, AddToken, AddReference});
}

}  // namespace tiffin::gateway
