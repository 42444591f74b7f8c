#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace CLI {
class App;
}  // namespace CLI

namespace tiffin::gateway {

class WorkerCredentials;
struct ServerOptions;
struct WorkerPlan;

// What workers at endpoints on TCP are shown, and whom to trust there.
struct WorkerSecurityFlags {
  std::string certificate;
  std::string key;
  std::string ca;
  std::string token;
};
// They are put into `flags` when the command line is parsed, which it outlives.
void AddWorkerSecurityFlags(CLI::App& command, WorkerSecurityFlags& flags);

// What the flags name; null without any. INVALID_ARGUMENT: a file is wrong, or no runner of the
// plan has workers on TCP.
absl::StatusOr<std::unique_ptr<WorkerCredentials>> CredentialsFor(const WorkerSecurityFlags& flags,
                                                                  const WorkerPlan& plan);

// How `tiffin serve` guards its ports.
struct SecurityFlags {
  std::string certificate;
  std::string key;
  std::string client_ca;
  std::string tokens;
  bool tokens_in_plaintext = false;
  WorkerSecurityFlags workers;
};
// Likewise.
void AddSecurityFlags(CLI::App& serve, SecurityFlags& flags);

// OK if the flags make sense together, and with the addresses of `options`, which gets them then.
absl::Status ApplySecurity(const SecurityFlags& flags, ServerOptions& options);

}  // namespace tiffin::gateway
