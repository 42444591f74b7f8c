#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/security/client_security.h"

namespace tiffin::gateway::top {

// Where a page is: "http://127.0.0.1:8000", with a path after it or not.
struct Url {
  bool tls = false;  // https
  std::string host;
  std::string port;
  std::string path;  // "/metrics" where the text has none.
};

// INVALID_ARGUMENT if it is neither an http:// nor an https:// URL.
absl::StatusOr<Url> ParseUrl(const std::string& text);

// "127.0.0.1:8000", "[::1]:8000"
std::string AuthorityOf(const Url& url);

// The body of the page. Blocks for `timeout` at most, but for the name of a host, which the system
// looks up for as long as it likes. UNAVAILABLE where nobody answers, and
// FAILED_PRECONDITION where somebody does, but not with this page. `security` says whom to trust
// where the URL has TLS, and has the token to send.
absl::StatusOr<std::string> HttpGet(const Url& url, absl::Duration timeout,
                                    const security::ClientSecurity& security = {});

}  // namespace tiffin::gateway::top
