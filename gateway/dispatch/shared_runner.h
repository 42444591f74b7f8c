#pragma once

#include "common/clock.h"
#include "gateway/dispatch/quarantine.h"
#include "gateway/dispatch/queue_wait.h"
#include "gateway/dispatch/runner_load.h"

namespace tiffin::gateway {

// What the pools of all loops share of one runner. Thread-safe; outlives them.
struct SharedRunner {
  // `clock` outlives it.
  SharedRunner(int replicas, int queue_max, const Clock& clock)
      : load(replicas, queue_max), quarantine(clock) {}

  RunnerLoad load;
  QueueWait queue_wait;
  Quarantine quarantine;
};

}  // namespace tiffin::gateway
