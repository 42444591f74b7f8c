#pragma once

#include "common/clock.h"
#include "gateway/dispatch/accepted_description.h"
#include "gateway/dispatch/quarantine.h"
#include "gateway/dispatch/queue_wait.h"
#include "gateway/dispatch/runner_load.h"
#include "gateway/dispatch/strangers.h"
#include "gateway/dispatch/trial_turn.h"
#include "gateway/metrics/metrics.h"

namespace tiffin::gateway {

// What the pools of all loops share of one runner. Thread-safe; outlives them.
struct SharedRunner {
  // `clock`, and `counted` of as many replicas, outlive it.
  SharedRunner(int replicas, int queue_max, const Clock& clock, metrics::RunnerMetrics& counted)
      : load(replicas, queue_max), quarantine(clock), metrics(counted) {}

  AcceptedDescription accepted;
  Strangers strangers;
  RunnerLoad load;
  QueueWait queue_wait;
  Quarantine quarantine;
  TrialTurn trial_turn;
  metrics::RunnerMetrics& metrics;
};

}  // namespace tiffin::gateway
