#include "gateway/api/kserve/statistics.h"

#include <cstdint>

namespace tiffin::gateway::kserve {
namespace {

void Set(const CountAndTime& from, inference::StatisticDuration& to) {
  to.set_count(from.count);
  to.set_ns(static_cast<uint64_t>(absl::ToInt64Nanoseconds(from.time)));
}

}  // namespace

inference::ModelStatistics StatisticsOf(const Model& model, const TargetStatistics& counted,
                                        const Moment& moment) {
  inference::ModelStatistics result;
  result.set_name(model.interface.name);
  result.set_version(model.version);
  if (counted.last.has_value()) {
    const absl::Time last = moment.wall - (moment.now - *counted.last);
    result.set_last_inference(static_cast<uint64_t>(absl::ToUnixMillis(last)));
  }
  result.set_inference_count(counted.rows);
  result.set_execution_count(counted.executions);
  auto& stats = *result.mutable_inference_stats();
  Set(counted.success, *stats.mutable_success());
  Set(counted.fail, *stats.mutable_fail());
  Set(counted.queue, *stats.mutable_queue());
  Set(counted.compute_input, *stats.mutable_compute_input());
  Set(counted.compute_infer, *stats.mutable_compute_infer());
  Set(counted.compute_output, *stats.mutable_compute_output());
  for (const auto& [rows, infer] : counted.batches) {
    auto& batch = *result.add_batch_stats();
    batch.set_batch_size(static_cast<uint64_t>(rows));
    Set(infer, *batch.mutable_compute_infer());
  }
  return result;
}

}  // namespace tiffin::gateway::kserve
