#include "worker/runtime/access.h"

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/security/grpc_credentials.h"
#include "common/security/loopback.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::worker {
namespace {

constexpr std::string_view kUnix = "unix:";

// Of "unix:PATH".
absl::Status CheckFolder(std::string_view listen) {
  const std::filesystem::path path(listen.substr(kUnix.size()));
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::absolute(path, error).parent_path();
  const std::filesystem::file_status found = std::filesystem::status(folder, error);
  if (std::filesystem::is_directory(found)) return absl::OkStatus();
  if (found.type() != std::filesystem::file_type::none) error.clear();  // It is known what it is.
  return absl::InvalidArgumentError(
      error ? StrCat("--listen ", listen, ": ", folder.native(), ": ", error.message())
            : StrCat("--listen ", listen, ": there is no folder '", folder.native(),
                     "'; make it, or correct the path"));
}

absl::Status CheckFlags(const AccessFlags& flags, const std::string& listen) {
  if (listen.starts_with(kUnix)) {
    RETURN_IF_ERROR(CheckFolder(listen));
    if (flags.certificate.empty() && flags.tokens.empty() && !flags.insecure) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        StrCat("--listen ", listen, " is guarded by the rights of its folder; remove --tls-*, ",
               "--tokens and --insecure, which are for HOST:PORT"));
  }
  if (security::IsLoopback(listen) || !flags.client_ca.empty() || !flags.tokens.empty() ||
      flags.insecure) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      StrCat("--listen ", listen, " is not the loopback: whoever reaches it could use the worker; ",
             "give --tls-certificate, --tls-key and --tls-client-ca, or --tokens, or, where ",
             "something else keeps others away, --insecure"));
}

}  // namespace

void AddAccessFlags(CLI::App& app, AccessFlags& flags) {
  CLI::Option* certificate = app.add_option("--tls-certificate", flags.certificate,
                                            "With --listen HOST:PORT: the worker's certificate "
                                            "(PEM; with those that signed it behind it), which "
                                            "is read again when it is replaced. With --probe and "
                                            "--tls-ca: what the probe shows");
  CLI::Option* key =
      app.add_option("--tls-key", flags.key, "The certificate's private key (PEM, not encrypted)");
  certificate->needs(key);
  key->needs(certificate);
  app.add_option("--tls-client-ca", flags.client_ca,
                 "Gateways must show a certificate that one of these authorities (PEM) signed")
      ->needs(certificate);
  app.add_option("--tokens", flags.tokens,
                 "With --listen HOST:PORT: the file of the tokens one of which gateways must send "
                 "('tiffin token' makes them). Read again when it is replaced");
  app.add_flag("--insecure", flags.insecure,
               "Let whoever reaches --listen HOST:PORT use the worker, beyond this machine too");
}

absl::StatusOr<std::optional<std::string>> SocketPath(const std::string& listen) {
  if (listen.starts_with(kUnix) && listen.size() > kUnix.size()) {
    return listen.substr(kUnix.size());
  }
  const size_t colon = listen.rfind(':');
  if (!listen.starts_with(kUnix) && colon != listen.npos && colon > 0 &&
      colon + 1 < listen.size()) {
    return std::nullopt;
  }
  if (listen.empty()) {
    return absl::InvalidArgumentError(
        "give --listen unix:PATH or --listen HOST:PORT, where gateways find the worker, or "
        "--describe to see what it does");
  }
  return absl::InvalidArgumentError(
      StrCat("--listen ", listen, ": must be unix:PATH or HOST:PORT"));
}

absl::StatusOr<Access> Access::Load(const AccessFlags& flags, const std::string& listen) {
  RETURN_IF_ERROR(CheckFlags(flags, listen));
  Access access;
  std::vector<security::Reloader::Look> looks;
  if (!flags.certificate.empty()) {
    ASSIGN_OR_RETURN(access.tls, security::ServerTls::Create({.certificate = flags.certificate,
                                                              .key = flags.key,
                                                              .ca = flags.client_ca}));
    looks.push_back([tls = access.tls.get()] { tls->Look(); });
  }
  if (!flags.tokens.empty()) {
    ASSIGN_OR_RETURN(access.tokens, security::Tokens::Create(flags.tokens));
    looks.push_back([tokens = access.tokens.get()] { tokens->Look(); });
  }
  access.reloader = std::make_unique<security::Reloader>(std::move(looks));
  return access;
}

std::shared_ptr<grpc::ServerCredentials> Access::credentials() const {
  return tls == nullptr ? nullptr : security::GrpcServerCredentials(*tls);
}

}  // namespace tiffin::worker
