#pragma once

#include <cstdint>
#include <string_view>

#include "absl/time/time.h"

namespace tiffin::config {

inline constexpr int64_t kDefaultMaxBatchSize = 32;
inline constexpr absl::Duration kDefaultMaxDelay = absl::Milliseconds(2);
inline constexpr std::string_view kAdaptivePolicy = "adaptive";
inline constexpr std::string_view kFixedPolicy = "fixed";

enum class BatchingPolicy {
  kOff,       // Each call runs alone, whatever its rows.
  kAdaptive,  // An idle worker waits for more calls only where that is expected to pay.
  kFixed,     // It waits until the batch is full, or its oldest call has waited for max_delay.
};

// How a runner's worker runs calls of a batchable method together.
struct BatchingConfig {
  BatchingPolicy policy = BatchingPolicy::kAdaptive;
  int64_t max_batch_size = kDefaultMaxBatchSize;  // In rows.
  // The longest that a call waits, with an idle worker, for others to come.
  absl::Duration max_delay = kDefaultMaxDelay;
};

}  // namespace tiffin::config
