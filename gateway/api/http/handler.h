#pragma once

#include "absl/functional/any_invocable.h"
#include "gateway/api/http/exchange.h"
#include "gateway/api/http/message.h"

namespace tiffin::gateway::http {

// Answers requests. Outlives the server that asks it.
class Handler {
 public:
  // Runs on the loop's thread, and finishes the exchange, sooner or later.
  using Answer = absl::AnyInvocable<void(Exchange&)>;

  virtual ~Handler() = default;
  // On the server's thread: what takes time and needs no turn of the loop's, such as decoding. What
  // it returns is then run on the loop's thread.
  virtual Answer Take(Request request) = 0;
};

}  // namespace tiffin::gateway::http
