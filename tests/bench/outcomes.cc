#include "tests/bench/outcomes.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "tests/bench/latencies.h"

namespace tiffin::bench {
namespace {

nlohmann::json PercentileOrNull(std::vector<int64_t> latencies_ns, double share) {
  if (latencies_ns.empty()) return nullptr;
  return Percentile(latencies_ns, share);
}

nlohmann::json SummarizePhase(absl::Duration begin, absl::Duration end,
                              std::span<const Outcome> outcomes) {
  std::vector<int64_t> answered, refused, lags;
  int64_t late = 0, replies = 0;
  for (const Outcome& outcome : outcomes) {
    const bool ok = outcome.code == absl::StatusCode::kOk;
    const absl::Duration ended = outcome.due + outcome.latency;
    if (ok && ended >= begin && ended < end) ++replies;
    if (outcome.due < begin || outcome.due >= end) continue;
    lags.push_back(absl::ToInt64Nanoseconds(outcome.lag));
    if (outcome.code == absl::StatusCode::kDeadlineExceeded) {
      ++late;
    } else {
      (ok ? answered : refused).push_back(absl::ToInt64Nanoseconds(outcome.latency));
    }
  }
  return {{"offered", lags.size()},
          {"answered", answered.size()},
          {"refused", refused.size()},
          {"late", late},
          {"goodput", static_cast<double>(replies) / absl::ToDoubleSeconds(end - begin)},
          {"answered_p50_us", PercentileOrNull(answered, 0.50)},
          {"answered_p99_us", PercentileOrNull(answered, 0.99)},
          {"refused_p50_us", PercentileOrNull(refused, 0.50)},
          {"refused_p99_us", PercentileOrNull(refused, 0.99)},
          {"lag_p99_us", PercentileOrNull(std::move(lags), 0.99)}};
}

}  // namespace

nlohmann::json SummarizePhases(std::span<const Phase> phases, std::span<const Outcome> outcomes) {
  nlohmann::json found = nlohmann::json::array();
  absl::Duration begin;
  for (const Phase& phase : phases) {
    found.push_back(SummarizePhase(begin, begin + phase.duration, outcomes));
    begin += phase.duration;
  }
  return found;
}

}  // namespace tiffin::bench
