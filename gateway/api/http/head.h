#pragma once

#include <string>
#include <variant>

#include "gateway/api/http/content_coding.h"
#include "gateway/api/http/message.h"

namespace tiffin::gateway::http {

// What a request's head says of how the rest is to be taken.
struct Head {
  std::string target;  // "/path?query", whichever form it was sent in; or "*", by OPTIONS.
  ContentCoding coding = ContentCoding::kIdentity;
  bool expects_continue = false;
};

// Why a request is refused whatever its body is.
struct HeadError {
  int status;
  std::string message;
};

// Holds `request`, which has no body yet and whose syntax is well, against the rules of RFC 9110
// and 9112 that a parser leaves open. `version` is 10 or 11. After an error nobody knows where the
// next request begins.
std::variant<Head, HeadError> ReadHead(const Request& request, unsigned version);

}  // namespace tiffin::gateway::http
