#include "gateway/server/serving_request.h"

#include <algorithm>
#include <utility>

#include "gateway/graph/critical_path.h"
#include "gateway/monitor/data_log.h"
#include "gateway/server/target_counts.h"

namespace tiffin::gateway {

ServingRequest::~ServingRequest() {
  if (execution_ != nullptr && !ended_) CountEnd(CodeOfCancelled());
  execution_.reset();
  if (alive_ != nullptr) *alive_ = false;
  host_.OnRequestEnded(*this);
}

void ServingRequest::Run(const BoundApi& api, std::vector<Value> inputs, int64_t rows,
                         Counting counting, InferOptions options, InferDone done) {
  rows_ = rows;
  received_ = options.received;
  deadline_ = options.deadline;
  statistics_ = &counting.statistics;
  counter_ = &counting.counter;
  metrics_ = &counting.metrics;
  counted_ = metrics::Held(metrics_->in_flight);
  done_ = std::move(done);
  ExecutionOptions execution{
      .deadline = options.deadline,
      .request_id = std::move(options.request_id),
      .trace = options.trace,
      .monitored = api.plan().monitor.has_value() && host_.data_log()->Samples(*api.plan().monitor),
      .clock = &host_.loop().clock(),
      .post = [this](absl::AnyInvocable<void()> task) { host_.loop().Defer(std::move(task)); }};
  execution_ = Execution::Start(
      api, std::move(inputs), std::move(execution),
      [this, want_timing = options.want_timing](absl::StatusOr<std::vector<Value>> outputs) {
        End(want_timing, std::move(outputs));
      });
}

void ServingRequest::Refuse(absl::Status status, InferDone done) {
  alive_ = std::make_shared<bool>(true);
  host_.loop().Defer(
      [alive = alive_, status = std::move(status), done = std::move(done)]() mutable {
        if (*alive) std::move(done)(std::move(status));
      });
}

void ServingRequest::Cut(absl::Status status) {
  if (done_ == nullptr) return;
  CountEnd(status.code());
  execution_.reset();
  std::exchange(done_, nullptr)(std::move(status));
}

void ServingRequest::End(bool want_timing, absl::StatusOr<std::vector<Value>> outputs) {
  InferDone tell = std::exchange(done_, nullptr);  // It may destroy this.
  if (!outputs.ok()) {
    CountEnd(outputs.status().code());
    std::move(tell)(outputs.status());
    return;
  }
  if (execution_->options().monitored) host_.data_log()->Add(*execution_);
  InferReply reply{.outputs = *std::move(outputs), .steps = {}};
  if (want_timing) {
    reply.steps = execution_->timeline();
    reply.critical_path = CriticalPath(execution_->plan(), reply.steps);
  }
  told_ = host_.loop().clock().Now();
  std::move(tell)(std::move(reply));
}

void ServingRequest::OnEncoded(const absl::Status& status) { CountEnd(status.code()); }

// A client whose deadline passes cancels. Its clock began a little before ours, and gRPC rounds
// what it sends of the deadline up, by a hundredth at most.
absl::StatusCode ServingRequest::CodeOfCancelled() const {
  constexpr absl::Duration kSlack = absl::Milliseconds(5);
  const absl::Duration left = deadline_ - host_.loop().clock().Now();
  const absl::Duration whole = left + execution_->elapsed();
  return left <= std::max(kSlack, whole / 100) ? absl::StatusCode::kDeadlineExceeded
                                               : absl::StatusCode::kCancelled;
}

void ServingRequest::CountEnd(absl::StatusCode code) {
  ended_ = true;
  counted_ = metrics::Held();
  const absl::Time now = host_.loop().clock().Now();
  const absl::Duration encode = told_.has_value() ? now - *told_ : absl::ZeroDuration();
  const absl::Duration ran = execution_->elapsed() + encode;
  const absl::Duration total =
      received_ == absl::InfinitePast() ? ran : std::max(ran, now - received_);
  statistics_->Count(*counter_, {.rows = rows_,
                                 .ok = code == absl::StatusCode::kOk,
                                 .end = now,
                                 .total = total,
                                 .decode = total - ran,
                                 .encode = encode,
                                 .steps = execution_->timeline()});
  CountEnded(*metrics_, code, total, execution_->timeline());
}

}  // namespace tiffin::gateway
