#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/security/client_security.h"

namespace CLI {
class App;
}  // namespace CLI

namespace tiffin::gateway {

// How a command that asks a server shows who it is, and finds out who that is. A token is in a file
// or in the environment: what a command line says, everybody on the machine can read.
struct ClientFlags {
  bool tls = false;
  std::string ca;
  std::string certificate;
  std::string key;
  std::string server_name;
  std::string token_file;
  bool tokens_in_plaintext = false;
};

// Whether what the command asks for needs a token.
enum class WithToken { kYes, kNo };
// They are put into `flags` when the command line is parsed, which it outlives. The heading is
// "Security".
void AddClientFlags(CLI::App& command, WithToken with_token, ClientFlags& flags);

// INVALID_ARGUMENT if files are wrong, or a token would be sent where others see it. `address` is
// HOST:PORT or unix:PATH.
absl::StatusOr<security::ClientSecurity> SecurityOf(const ClientFlags& flags,
                                                    const std::string& address);
// A flag of TLS was given.
bool NamesTls(const ClientFlags& flags);

}  // namespace tiffin::gateway
