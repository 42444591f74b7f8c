#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin::bench {

struct Load {
  int in_flight = 1;
  // Not measured: connections are made, caches fill.
  absl::Duration warm_up = absl::Milliseconds(200);
  // What is measured ends with whichever comes first, but not before one call was.
  absl::Duration duration = absl::Seconds(1);
  int64_t max_requests = 1'000'000;
  // A server that is silent for so long beyond the end has failed.
  absl::Duration patience = absl::Seconds(15);
};

struct LoadResult {
  // Nanoseconds from just before a call started until it was complete, of all calls that started
  // after the warm-up.
  std::vector<int64_t> latencies_ns;
  // Replies per second after the warm-up.
  double throughput = 0;
  // With those of the warm-up.
  int64_t total_requests = 0;
};

// OK if the reply is what it should be to the request of that number.
using ReplyCheck = absl::FunctionRef<absl::Status(const grpc::ByteBuffer& reply, size_t request)>;

// Keeps `load.in_flight` unary calls of `method` under way on `channel`, with `requests` in turns,
// from the calling thread. The first reply that is not OK, or that `check` refuses, ends it with
// that error. Every status is looked at; `check` sees the first, the last and every 61st reply (a
// prime number: each request's turn comes), so that the client stays cheap.
absl::StatusOr<LoadResult> RunClosedLoop(const std::shared_ptr<grpc::Channel>& channel,
                                         const std::string& method,
                                         std::span<const grpc::ByteBuffer> requests,
                                         ReplyCheck check, const Load& load);

}  // namespace tiffin::bench
