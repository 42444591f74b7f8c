#pragma once

#include <memory>

#include "common/security/server_tls.h"
#include "grpcpp/security/server_credentials.h"

namespace tiffin::security {

// What a gRPC server's port does its handshakes with: each with the certificates of that moment.
// `tls` outlives the server. (gRPC's FileWatcherCertificateProvider doesn't check what it reads: a
// key that doesn't fit, as there is one between two renames, leaves a server without any.)
std::shared_ptr<grpc::ServerCredentials> GrpcServerCredentials(const ServerTls& tls);

}  // namespace tiffin::security
