#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/security/certificates.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace tiffin::security {

// How a client speaks with a server.
struct ClientSecurity {
  bool tls = false;
  // The authorities that it trusts, else the system's, and a certificate of its own, if it has one.
  Certificates certificates = {};
  std::string server_name;  // In the server's certificate; empty: the address's host.
  std::string token;        // Empty: it sends none.
};

std::shared_ptr<grpc::ChannelCredentials> GrpcChannelCredentials(const ClientSecurity& security);
grpc::ChannelArguments GrpcChannelArguments(const ClientSecurity& security);

// "Bearer TOKEN": the value of `authorization`.
std::string Authorization(const std::string& token);

}  // namespace tiffin::security
