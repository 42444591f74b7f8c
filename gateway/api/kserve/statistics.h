#pragma once

#include "absl/time/time.h"
#include "gateway/api/kserve/model_table.h"
#include "gateway/api/statistics.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::gateway::kserve {

// `now` by the clock of the counts, `wall` the same moment by the calendar.
struct Moment {
  absl::Time now;
  absl::Time wall;
};
inference::ModelStatistics StatisticsOf(const Model& model, const TargetStatistics& counted,
                                        const Moment& moment);

}  // namespace tiffin::gateway::kserve
