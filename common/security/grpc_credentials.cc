#include "common/security/grpc_credentials.h"

#include <cstdint>
#include <optional>
#include <string>

#include "grpc/grpc.h"
#include "grpc/grpc_security.h"

namespace tiffin::security {
namespace {

// grpc++ has no way to the one kind of credentials of gRPC's core that asks for certificates at
// each handshake, so this is one of grpc++'s around it.
class ReloadingCredentials : public grpc::ServerCredentials {
 public:
  explicit ReloadingCredentials(const ServerTls& tls) : tls_(tls) {
    grpc_ssl_server_credentials_options* options =
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            tls_.mutual() ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                          : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
            &Fetch, this);
    credentials_ = grpc_ssl_server_credentials_create_with_options(options);  // Takes `options`.
  }
  ~ReloadingCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  // By gRPC, one handshake after the other.
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    auto& credentials = *static_cast<ReloadingCredentials*>(self);
    const ServerTls::Current current = credentials.tls_.current();
    if (credentials.fetched_ == current.version)
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    credentials.fetched_ = current.version;
    const Certificates& certificates = *current.certificates;
    const grpc_ssl_pem_key_cert_pair pair = {.private_key = certificates.key.c_str(),
                                             .cert_chain = certificates.chain.c_str()};
    // It wants some authority even where clients are not asked for certificates: any will do.
    const std::string& ca = certificates.ca.empty() ? certificates.chain : certificates.ca;
    *config = grpc_ssl_server_certificate_config_create(ca.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const ServerTls& tls_;
  grpc_server_credentials* credentials_ = nullptr;
  std::optional<uint64_t> fetched_;  // The version that gRPC has.
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> GrpcServerCredentials(const ServerTls& tls) {
  return std::make_shared<ReloadingCredentials>(tls);
}

}  // namespace tiffin::security
