#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/async/loop.h"
#include "gateway/api/http/exchange.h"
#include "gateway/api/http/message.h"

namespace tiffin::gateway::http {

// Answers requests. Outlives the server that asks it.
class Handler {
 public:
  // Runs on the loop's thread, and finishes the exchange, sooner or later.
  using Answer = absl::AnyInvocable<void(Exchange&)>;

  virtual ~Handler() = default;
  // On the server's thread, of a request whose body has not come yet: false if it will be refused
  // whatever that is, so that it need not come.
  virtual bool WantsBody(const Request& /*head*/) { return true; }
  // On the server's thread: what takes time and needs no turn of the loop's, such as decoding. What
  // it returns is then run on the loop's thread.
  virtual Answer Take(Request request) = 0;
};

// A loop, and who answers requests on it. Both outlive the server.
struct LoopHandler {
  Loop& loop;
  Handler& handler;
};

// Where requests go: to the loops in turns. On the server's thread.
class Rotation {
 public:
  // At least one.
  explicit Rotation(std::vector<LoopHandler> loops) : loops_(std::move(loops)) {}
  LoopHandler Next() { return loops_[next_++ % loops_.size()]; }
  // All of them think the same of it.
  bool WantsBody(const Request& head) const { return loops_.front().handler.WantsBody(head); }

 private:
  const std::vector<LoopHandler> loops_;
  size_t next_ = 0;
};

}  // namespace tiffin::gateway::http
