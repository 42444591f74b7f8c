#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tiffin::gateway::top {

// Where a page is: "http://127.0.0.1:8000", with a path after it or not.
struct Url {
  std::string host;
  std::string port;
  std::string path;  // "/metrics" where the text has none.
};

// INVALID_ARGUMENT if it is not an http:// URL.
absl::StatusOr<Url> ParseUrl(const std::string& text);

// The body of the page. Blocks for `timeout` at most. UNAVAILABLE where nobody answers, and
// FAILED_PRECONDITION where somebody does, but not with this page.
absl::StatusOr<std::string> HttpGet(const Url& url, absl::Duration timeout);

}  // namespace tiffin::gateway::top
