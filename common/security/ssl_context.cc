#include "common/security/ssl_context.h"

#include <openssl/ssl.h>

#include "boost/asio/buffer.hpp"
#include "common/log/log.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::security {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

absl::Status ToStatus(error_code error, std::string_view what) {
  if (!error) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat("TLS: ", what, ": ", error.message()));
}

absl::StatusOr<std::shared_ptr<SslContext>> MakeContext(SslContext::method method,
                                                        const Certificates& certificates) {
  auto context = std::make_shared<SslContext>(method);
  SSL_CTX* const native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  error_code error;
  if (!certificates.chain.empty()) {
    context->use_certificate_chain(asio::buffer(certificates.chain), error);
    RETURN_IF_ERROR(ToStatus(error, "the certificate"));
    context->use_private_key(asio::buffer(certificates.key), SslContext::pem, error);
    RETURN_IF_ERROR(ToStatus(error, "the key"));
  }
  if (!certificates.ca.empty()) {
    context->add_certificate_authority(asio::buffer(certificates.ca), error);
    RETURN_IF_ERROR(ToStatus(error, "the authority's certificates"));
  }
  return context;
}

}  // namespace

absl::StatusOr<std::shared_ptr<SslContext>> ServerContext(const Certificates& certificates) {
  ASSIGN_OR_RETURN(auto context, MakeContext(SslContext::tls_server, certificates));
  if (certificates.ca.empty()) return context;
  error_code error;
  context->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert, error);
  RETURN_IF_ERROR(ToStatus(error, "checking clients"));
  // A session that is taken up again would not be checked again.
  SSL_CTX_set_session_cache_mode(context->native_handle(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context->native_handle(), 0);
  return context;
}

absl::StatusOr<std::shared_ptr<SslContext>> ClientContext(const Certificates& certificates) {
  ASSIGN_OR_RETURN(auto context, MakeContext(SslContext::tls_client, certificates));
  error_code error;
  if (certificates.ca.empty()) context->set_default_verify_paths(error);
  RETURN_IF_ERROR(ToStatus(error, "the system's authorities"));
  context->set_verify_mode(asio::ssl::verify_peer, error);
  RETURN_IF_ERROR(ToStatus(error, "checking servers"));
  return context;
}

std::shared_ptr<SslContext> ServerContexts::Next() {
  ServerTls::Current current = tls_.current();
  if (context_ != nullptr && current.version == made_of_.version) return context_;
  absl::StatusOr<std::shared_ptr<SslContext>> made = ServerContext(*current.certificates);
  if (made.ok()) {
    context_ = *std::move(made);
  } else {
    log::Write(log::Level::kError, "tls_context", Message(made.status()));
  }
  made_of_ = std::move(current);
  return context_;
}

}  // namespace tiffin::security
