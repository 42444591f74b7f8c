#include "gateway/commands/security_flags.h"

#include <algorithm>

#include "CLI/CLI.hpp"
#include "common/security/loopback.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/help.h"
#include "gateway/commands/worker_plan.h"
#include "gateway/dispatch/worker_credentials.h"
#include "gateway/server/server.h"

namespace tiffin::gateway {
namespace {

bool HasWorkersOnTcp(const config::ServiceConfig& service) {
  return std::any_of(service.runners.begin(), service.runners.end(),
                     [](const config::RunnerConfig& runner) {
                       return std::any_of(runner.endpoints.begin(), runner.endpoints.end(),
                                          [](const config::Endpoint& endpoint) {
                                            return endpoint.kind != config::Endpoint::Kind::kUnix;
                                          });
                     });
}

bool AnyGiven(const WorkerSecurityFlags& flags) {
  return !flags.ca.empty() || !flags.token.empty();
}

absl::Status NobodyToShowThemTo() {
  return absl::InvalidArgumentError(
      "--worker-ca and --worker-token are for runners with endpoints on TCP, and there are none; "
      "remove them");
}

WorkerCredentials::Files FilesOf(const WorkerSecurityFlags& flags) {
  return {.tls = {.certificate = flags.certificate, .key = flags.key, .ca = flags.ca},
          .token = flags.token};
}

}  // namespace

void AddWorkerSecurityFlags(CLI::App& command, WorkerSecurityFlags& flags) {
  command.add_option(
      "--worker-ca", flags.ca,
      "Workers at endpoints on TCP must show a certificate, for the endpoint's host, "
      "that one of these authorities (PEM) signed: sessions are encrypted. 'serve' reads it "
      "again when it is replaced");
  CLI::Option* worker_certificate =
      command
          .add_option("--worker-certificate", flags.certificate,
                      "The certificate (PEM) that the gateway shows to workers at endpoints on TCP")
          ->needs("--worker-ca");
  CLI::Option* worker_key =
      command.add_option("--worker-key", flags.key, "Its private key (PEM, not encrypted)");
  worker_certificate->needs(worker_key);
  worker_key->needs(worker_certificate);
  command.add_option("--worker-token", flags.token,
                     "The file of the token that the gateway sends to workers at endpoints on TCP, "
                     "which have it in their --tokens. 'serve' reads it again when it is "
                     "replaced");
  Group(command, "Workers elsewhere",
        {"--worker-ca", "--worker-certificate", "--worker-key", "--worker-token"});
}

absl::StatusOr<std::unique_ptr<WorkerCredentials>> CredentialsFor(const WorkerSecurityFlags& flags,
                                                                  const WorkerPlan& plan) {
  if (!AnyGiven(flags)) return nullptr;
  const bool any = std::any_of(plan.files.begin(), plan.files.end(), [](const PlannedFile& file) {
    return HasWorkersOnTcp(file.service);
  });
  // What is wrong in the files is told first: an endpoint may be missing because of it.
  if (!any) {
    RETURN_IF_ERROR(DiagnosticsOf(plan));
    return NobodyToShowThemTo();
  }
  auto credentials = WorkerCredentials::Create(FilesOf(flags));
  if (!credentials.ok()) RETURN_IF_ERROR(DiagnosticsOf(plan));
  return credentials;
}

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
  AddWorkerSecurityFlags(serve, flags.workers);
  Group(serve, "Security",
        {"--tls-certificate", "--tls-key", "--tls-client-ca", "--tokens", "--tokens-in-plaintext"});
}

absl::Status ApplySecurity(const SecurityFlags& flags, ServerOptions& options) {
  options.tls = {.certificate = flags.certificate, .key = flags.key, .ca = flags.client_ca};
  options.tokens = flags.tokens;
  options.workers = FilesOf(flags.workers);
  const auto& services = options.serving.services;
  if (AnyGiven(flags.workers) && std::none_of(services.begin(), services.end(), HasWorkersOnTcp)) {
    return NobodyToShowThemTo();
  }
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
