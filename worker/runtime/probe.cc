#include "worker/runtime/probe.h"

#include "absl/time/clock.h"
#include "common/async/probe.h"
#include "common/log/grpc_log.h"
#include "common/security/client_security.h"
#include "common/status_macros.h"

namespace tiffin::worker {
namespace {

constexpr absl::Duration kProbeTimeout = absl::Seconds(1);
constexpr security::TlsFlags kFlags = {
    .certificate = "--tls-certificate", .key = "--tls-key", .ca = "--tls-ca"};

}  // namespace

absl::Status Probe(const WorkerOptions& options) {
  log::HushGrpc();
  const AccessFlags& shown = options.access;
  if (!shown.client_ca.empty() || !shown.tokens.empty() || shown.insecure) {
    return absl::InvalidArgumentError(
        "--tls-client-ca, --tokens and --insecure are for a worker that listens; remove them");
  }
  security::ClientSecurity security;
  security.tls = !options.probe_ca.empty();
  if (!security.tls && !shown.certificate.empty()) {
    return absl::InvalidArgumentError(
        "--tls-certificate is shown to a worker that speaks TLS; give --tls-ca FILE");
  }
  security.server_name = options.probe_server_name;
  ASSIGN_OR_RETURN(security.certificates,
                   security::LoadCertificates(
                       {.certificate = shown.certificate, .key = shown.key, .ca = options.probe_ca},
                       kFlags, absl::Now()));
  return ProbeHealth(options.probe_address, options.probe_service, kProbeTimeout,
                     security::GrpcChannelCredentials(security),
                     security::GrpcChannelArguments(security));
}

}  // namespace tiffin::worker
