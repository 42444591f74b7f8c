#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "common/config/batching.h"
#include "common/signature.h"
#include "worker/runtime/arrivals.h"
#include "worker/runtime/cost_model.h"
#include "worker/runtime/fair_scheduler.h"
#include "worker/runtime/queued_call.h"

namespace tiffin::worker {

// A batch that fails is run again, call by call: calls that must not run twice run alone.
inline bool CanBatch(const MethodSignature& method) {
  return method.batchable && method.retry_safe;
}

// Calls to be run as one execution: of one method, their inputs alike but for the rows.
struct Batch {
  std::vector<std::shared_ptr<QueuedCall>> calls;  // In kExecuting.
  // Found past their deadlines and in kDropped, to be answered.
  std::vector<std::shared_ptr<QueuedCall>> expired;
  // How long an idle worker waited for it to grow.
  absl::Duration waited;
};

// Decides which calls run together, and when. Gateways take turns, row by row, and a gateway's
// calls are taken in the order they came. Calls of batchable methods whose inputs have the same
// shapes, apart from the rows, share a bucket: the one that is next brings the next ones of its
// bucket with it. So a gateway's call is overtaken by its own only where these join an older call's
// batch. Each bucket learns what its executions cost and how its calls arrive. Not thread-safe, and
// without a clock: see CallQueue.
class Batcher {
 public:
  explicit Batcher(config::BatchingConfig config)
      : config_(config), scheduler_(config.max_batch_size) {}

  void Add(std::shared_ptr<QueuedCall> call, absl::Time now);

  // Calls that wait, those that were dropped since included until they are come across.
  size_t size() const { return size_; }
  // When the next batch should be taken, with that many of the model's threads idle (at least one):
  // `now` or before for at once, InfiniteFuture if nothing waits. To be asked again then, and when
  // a call was added: it depends on both.
  absl::Time StartAt(absl::Time now, int idle_threads = 1);
  // The next batch. Without calls if all that waited were dropped or had expired.
  Batch Take(absl::Time now);

  // True if calls like this one run together.
  bool Batches(const QueuedCall& call) const {
    return config_.policy != config::BatchingPolicy::kOff && config_.max_batch_size > 1 &&
           !call.alone && CanBatch(*call.signature);
  }
  // An execution of calls like `call`, which run together, took that long.
  void Learn(const QueuedCall& call, int64_t rows, absl::Duration took);

 private:
  struct Entry {
    uint64_t number;  // In the order of Add.
    std::shared_ptr<QueuedCall> call;
  };
  // A gateway's calls, in their order.
  struct Flow {
    uint64_t gateway;
    std::deque<Entry> waiting;  // May be empty.
  };
  struct Bucket {
    // Of calls that are batched; null in the one bucket for all that run alone.
    const MethodSignature* signature = nullptr;
    std::vector<Shape> row_shapes;
    std::vector<Flow> flows;
    size_t size = 0;  // Of all flows.
    CostModel cost;
    Arrivals arrivals;
  };

  // The call's; nullptr if there is none.
  Bucket* Find(const QueuedCall& call);
  Bucket& FindOrMake(const QueuedCall& call);
  static Flow& FlowOf(Bucket& bucket, uint64_t gateway);
  // The bucket's flow whose first call is next, after leaving out dropped ones; nullptr if none
  // waits.
  Flow* NextIn(Bucket& bucket);
  // The bucket whose NextIn is next of all.
  Bucket* Next();
  // True if the first call of `flow` comes before that of `other`, which may be null.
  bool Precedes(const Flow& flow, const Flow* other) const;
  void PopFront(Bucket& bucket, Flow& flow);
  // It isn't executed.
  void Drop(Bucket& bucket, Flow& flow);

  const config::BatchingConfig config_;
  std::list<Bucket> buckets_;  // The last one used first.
  FairScheduler scheduler_;
  size_t size_ = 0;
  uint64_t next_number_ = 0;
};

}  // namespace tiffin::worker
