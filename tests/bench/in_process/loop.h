#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/bench/in_process/graph.h"

namespace tiffin::bench {

struct LoopOptions {
  // Requests that a thread answers in one go.
  int batch = 1;
  // Not measured: caches fill.
  absl::Duration warm_up;
  absl::Duration duration;
};

struct LoopResult {
  // Nanoseconds of each batch that started after the warm-up.
  std::vector<int64_t> latencies_ns;
  // Answers per second after the warm-up, of all threads.
  double throughput = 0;
  // With those of the warm-up, as are the seconds of processor time, of the whole process.
  int64_t total_requests = 0;
  double cpu_seconds = 0;
};

// Answers `requests` (BYTES elements with their frames), one after the other and over again, on a
// thread for each of `graphs`. Every answer must be the one of `expected` at its request's place:
// the first that is not, or that is an error, ends it.
absl::StatusOr<LoopResult> RunLoops(std::span<const std::unique_ptr<Graph>> graphs,
                                    std::span<const std::string> requests,
                                    std::span<const std::string> expected,
                                    const LoopOptions& options);

// A batch of `count` requests, from the one at `first` on.
class RequestBatch {
 public:
  RequestBatch(std::span<const std::string> requests, size_t first, size_t count);
  const TensorView& view() const { return view_; }

 private:
  AlignedBuffer memory_;
  TensorView view_;
};

}  // namespace tiffin::bench
