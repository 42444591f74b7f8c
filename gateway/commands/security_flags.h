#pragma once

#include <filesystem>
#include <string>

#include "absl/status/status.h"

namespace CLI {
class App;
}  // namespace CLI

namespace tiffin::gateway {

struct ServerOptions;

// How `tiffin serve` guards its ports.
struct SecurityFlags {
  std::string certificate;
  std::string key;
  std::string client_ca;
  std::string tokens;
  bool tokens_in_plaintext = false;
  // Shown to workers at endpoints on TCP.
  std::string worker_certificate;
  std::string worker_key;
  std::string worker_ca;
  std::string worker_token;
};
// They are put into `flags` when the command line is parsed, which it outlives.
void AddSecurityFlags(CLI::App& serve, SecurityFlags& flags);

// OK if the flags make sense together, and with the addresses of `options`, which gets them then.
absl::Status ApplySecurity(const SecurityFlags& flags, ServerOptions& options);

}  // namespace tiffin::gateway
