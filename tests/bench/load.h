#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "grpcpp/channel.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin::bench {

// The calls to make. What it names outlives the measurement.
struct Workload {
  // At least one, each a connection of its own. An open loop uses the first; a closed one all of
  // them, in turns.
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  std::string method;
  // Sent in turns.
  std::span<const grpc::ByteBuffer> requests;
  // OK if the reply is what it should be to the request of that number. Sees a reply now and then
  // (NeedsCheck), on one thread at a time, so that the client stays cheap; every status is looked
  // at.
  absl::FunctionRef<absl::Status(const grpc::ByteBuffer& reply, size_t request)> check;
};

// Of the replies, the first and each 61st: a prime number, so that each request's turn comes.
inline bool NeedsCheck(int64_t number) { return number % 61 == 0; }

struct LoadResult {
  // Nanoseconds of each call that started, or should have, after the warm-up.
  std::vector<int64_t> latencies_ns;
  // What the server said of the times of each of these calls, as JSON; empty if nobody asked.
  std::vector<std::string> timings;
  // Replies per second after the warm-up.
  double throughput = 0;
  // User and system time of the process that was asked for, microseconds a reply, meanwhile.
  std::optional<double> cpu_of_us;
  // With those of the warm-up.
  int64_t total_requests = 0;
};

}  // namespace tiffin::bench
