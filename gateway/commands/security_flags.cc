#include "gateway/commands/security_flags.h"

#include "CLI/CLI.hpp"
#include "common/security/loopback.h"
#include "common/strings.h"
#include "gateway/commands/help.h"
#include "gateway/server/server.h"

namespace tiffin::gateway {

void AddSecurityFlags(CLI::App& serve, SecurityFlags& flags) {
  CLI::Option* certificate = serve.add_option(
      "--tls-certificate", flags.certificate,
      "The server's certificate (PEM; with those that signed it behind it): gRPC and HTTP are "
      "encrypted. Read again when it is replaced");
  CLI::Option* key = serve.add_option("--tls-key", flags.key,
                                      "The certificate's private key (PEM, not encrypted)");
  certificate->needs(key);
  key->needs(certificate);
  serve
      .add_option("--tls-client-ca", flags.client_ca,
                  "Clients must show a certificate that one of these authorities (PEM) signed")
      ->needs(certificate);
  CLI::Option* tokens = serve.add_option(
      "--tokens", flags.tokens,
      "The file of the tokens one of which clients must send ('tiffin token' makes them). Read "
      "again when it is replaced");
  serve
      .add_flag("--tokens-in-plaintext", flags.tokens_in_plaintext,
                "Take tokens without TLS beyond this machine too: whoever sees the traffic can use "
                "them")
      ->needs(tokens);
  Group(serve, "Security",
        {"--tls-certificate", "--tls-key", "--tls-client-ca", "--tokens", "--tokens-in-plaintext"});
}

absl::Status ApplySecurity(const SecurityFlags& flags, ServerOptions& options) {
  options.tls = {.certificate = flags.certificate, .key = flags.key, .ca = flags.client_ca};
  options.tokens = flags.tokens;
  if (flags.tokens.empty() || !flags.certificate.empty() || flags.tokens_in_plaintext) {
    return absl::OkStatus();
  }
  for (const std::string& address : {options.serving.grpc_address, options.serving.http_address}) {
    if (address.empty() || security::IsLoopback(address)) continue;
    return absl::InvalidArgumentError(
        StrCat("--tokens with ", address, ", which is not the loopback, and without TLS: whoever ",
               "sees the traffic could use the tokens; give --tls-certificate and --tls-key, or, ",
               "where something else encrypts the traffic, --tokens-in-plaintext"));
  }
  return absl::OkStatus();
}

}  // namespace tiffin::gateway
