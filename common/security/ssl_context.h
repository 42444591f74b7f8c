#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "boost/asio/ssl/context.hpp"
#include "common/security/certificates.h"
#include "common/security/server_tls.h"

// TLS for Boost.Asio: 1.2 or newer.
namespace tiffin::security {

using SslContext = boost::asio::ssl::context;

// Of a server's side: shows the certificate, and, with a CA, wants one of the client's.
absl::StatusOr<std::shared_ptr<SslContext>> ServerContext(const Certificates& certificates);
// Of a client's side: `certificates` may have a CA, else the system's are asked, and a certificate.
absl::StatusOr<std::shared_ptr<SslContext>> ClientContext(const Certificates& certificates);

// The context for the next connection of a server. On the server's thread.
class ServerContexts {
 public:
  // `tls` outlives it.
  explicit ServerContexts(const ServerTls& tls) : tls_(tls) {}
  // Shared with the connections that were made with it. Null: it could not be made.
  std::shared_ptr<SslContext> Next();

 private:
  const ServerTls& tls_;
  ServerTls::Current made_of_;
  std::shared_ptr<SslContext> context_;
};

}  // namespace tiffin::security
