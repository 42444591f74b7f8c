#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/async/loop.h"
#include "gateway/api/serving.h"
#include "gateway/api/statistics.h"
#include "gateway/graph/bound_api.h"
#include "gateway/graph/execution.h"
#include "gateway/metrics/metrics.h"

namespace tiffin::gateway {

class DataLog;
class ServingRequest;

// What a request needs of its loop's part of the server, which outlives it.
class RequestHost {
 public:
  virtual ~RequestHost() = default;
  virtual Loop& loop() = 0;
  // Null where no API has a monitor.
  virtual DataLog* data_log() = 0;
  virtual void OnRequestBegan(ServingRequest& request) = 0;
  virtual void OnRequestEnded(ServingRequest& request) = 0;
};

// One request under way: executes, is counted, and tells how it ended. Owned by the protocol that
// asked for it; destruction cancels. On the loop's thread.
class ServingRequest : public PendingInfer {
 public:
  explicit ServingRequest(RequestHost& host) : host_(host) { host_.OnRequestBegan(*this); }
  ~ServingRequest() override;

  // What it is counted by. Outlives it.
  struct Counting {
    Statistics& statistics;
    const Statistics::Counter& counter;
    metrics::TargetMetrics& metrics;
  };
  // One of these two, once.
  void Run(const BoundApi& api, std::vector<Value> inputs, int64_t rows, Counting counting,
           InferOptions options, InferDone done);
  void Refuse(absl::Status status, InferDone done);
  // Ends what Run began, unless `done` was told already. May destroy this, as that may.
  void Cut(absl::Status status);

  void OnEncoded(const absl::Status& status) override;

 private:
  // The last thing: `done_` may destroy this.
  void End(bool want_timing, absl::StatusOr<std::vector<Value>> outputs);
  // Once, whichever way it ends.
  void CountEnd(absl::StatusCode code);
  absl::StatusCode CodeOfCancelled() const;

  RequestHost& host_;
  int64_t rows_ = 1;
  absl::Time received_;
  absl::Time deadline_;
  Statistics* statistics_ = nullptr;              // From Run on.
  const Statistics::Counter* counter_ = nullptr;  // Likewise.
  metrics::TargetMetrics* metrics_ = nullptr;
  metrics::Held counted_;
  std::optional<absl::Time> told_;  // When the protocol was given the outputs.
  bool ended_ = false;
  InferDone done_;  // Of Run, until it is told.
  std::unique_ptr<Execution> execution_;
  std::shared_ptr<bool> alive_;  // Shared with a deferred refusal.
};

}  // namespace tiffin::gateway
