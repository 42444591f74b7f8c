#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "common/async/probe.h"
#include "common/log/grpc_log.h"
#include "common/status_macros.h"
#include "gateway/commands/client_flags.h"
#include "gateway/commands/command.h"
#include "gateway/commands/help.h"

namespace tiffin::gateway {
namespace {

constexpr absl::Duration kProbeTimeout = absl::Seconds(1);

struct ProbeOptions {
  std::string address;
  std::string service;
  ClientFlags security;
};

absl::Status Probe(const ProbeOptions& options) {
  log::HushGrpc();
  ASSIGN_OR_RETURN(const security::ClientSecurity security,
                   SecurityOf(options.security, options.address));
  return ProbeHealth(options.address, options.service, kProbeTimeout,
                     security::GrpcChannelCredentials(security),
                     security::GrpcChannelArguments(security));
}

}  // namespace

void AddProbe(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<ProbeOptions>();  // Shared with the command that may run.
  CLI::App* probe = app.add_subcommand("probe", "Ask a server for its health.");
  probe->add_option("address", options->address, "HOST:PORT or unix:PATH")->required();
  probe->add_option("service", options->service, "A service; by default all of them");
  AddClientFlags(*probe, WithToken::kNo, options->security);
  Teach(*probe, {"tiffin probe 127.0.0.1:8001", "tiffin probe 127.0.0.1:8001 inference_graph_demo"},
        "0 it serves, 1 it does not, or there is none, 2 wrong usage");
  probe->callback([options, &chosen] {
    chosen = [options] {
      const absl::Status health = Probe(*options);
      if (health.ok()) return kExitDone;
      const int wrong = ReportError(health);
      return wrong == kExitUsage ? wrong : kExitFailed;
    };
  });
}

}  // namespace tiffin::gateway
