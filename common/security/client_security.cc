#include "common/security/client_security.h"

#include "common/strings.h"

namespace tiffin::security {

std::shared_ptr<grpc::ChannelCredentials> GrpcChannelCredentials(const ClientSecurity& security) {
  if (!security.tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = security.certificates.ca;
  options.pem_cert_chain = security.certificates.chain;
  options.pem_private_key = security.certificates.key;
  return grpc::SslCredentials(options);
}

grpc::ChannelArguments GrpcChannelArguments(const ClientSecurity& security) {
  grpc::ChannelArguments arguments;
  if (!security.server_name.empty()) arguments.SetSslTargetNameOverride(security.server_name);
  return arguments;
}

std::string Authorization(const std::string& token) { return StrCat("Bearer ", token); }

}  // namespace tiffin::security
