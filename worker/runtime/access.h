#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/security/reloader.h"
#include "common/security/server_tls.h"
#include "common/security/tokens.h"
#include "grpcpp/security/server_credentials.h"

namespace CLI {
class App;
}  // namespace CLI

namespace tiffin::worker {

// How a worker that listens on TCP guards its port.
struct AccessFlags {
  std::string certificate = {};
  std::string key = {};
  std::string client_ca = {};
  std::string tokens = {};
  bool insecure = false;
};
// They are put into `flags` when the command line is parsed, which it outlives.
void AddAccessFlags(CLI::App& app, AccessFlags& flags);

// The path of "unix:PATH"; nullopt for HOST:PORT. INVALID_ARGUMENT for what is neither.
absl::StatusOr<std::optional<std::string>> SocketPath(const std::string& listen);

// What gateways have to show, kept as new as its files. Outlives the server.
struct Access {
  // INVALID_ARGUMENT: a file is wrong, a flag makes no sense at the address, or whoever reaches the
  // address could use the worker, and nobody said that they may.
  static absl::StatusOr<Access> Load(const AccessFlags& flags, const std::string& listen);
  // Null without TLS.
  std::shared_ptr<grpc::ServerCredentials> credentials() const;

  std::unique_ptr<security::ServerTls> tls;
  std::unique_ptr<security::Tokens> tokens;
  std::unique_ptr<security::Reloader> reloader;  // Last: it uses the others.
};

}  // namespace tiffin::worker
