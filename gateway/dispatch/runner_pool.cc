#include "gateway/dispatch/runner_pool.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "common/strings.h"

namespace tiffin::gateway {

// A call from Start to its end, whichever replica it is with.
class RunnerPool::PooledCall : public PendingCall {
 public:
  PooledCall(RunnerPool& pool, Call call, CallDone done)
      : pool_(pool),
        call_(std::move(call)),
        done_(std::move(done)),
        started_(pool.parts_.loop.now()) {
    if (call_.deadline != absl::InfiniteFuture()) {
      deadline_ = pool_.parts_.loop.At(call_.deadline, [this] {
        Detach();
        End(absl::DeadlineExceededError("the deadline passed"));
      });
    }
  }

  ~PooledCall() override {
    Detach();
    if (alive_ != nullptr) *alive_ = false;
  }

  void WaitIn(std::list<PooledCall*>& list) {
    position_ = list.insert(list.end(), this);
    delayed_ = true;
  }
  void LeaveList() { position_.reset(); }

  void SendTo(WorkerSession& session) {
    const absl::StatusOr<uint64_t> id =
        session.Execute(call_, [this](absl::StatusOr<CallResult> result) {
          session_ = nullptr;
          OnResult(std::move(result));
        });
    if (!id.ok()) {
      EndLater(id.status());
      return;
    }
    session_ = &session;
    id_ = *id;
    if (delayed_) sent_after_ = pool_.parts_.loop.now() - started_;
  }

  // From the ready list, for Start must not call back.
  void EndLater(absl::Status status) {
    alive_ = std::make_shared<bool>(true);
    pool_.parts_.loop.Defer([this, alive = alive_, status = std::move(status)] {
      if (*alive) End(status);
    });
  }

  // The last thing: `done` may destroy this.
  void End(absl::StatusOr<CallResult> result) {
    deadline_.Cancel();
    CallDone done = std::exchange(done_, nullptr);
    if (done != nullptr) std::move(done)(std::move(result));
  }

 private:
  void OnResult(absl::StatusOr<CallResult> result) {
    if (absl::IsUnavailable(result.status()) && call_.retries > 0) {
      --call_.retries;
      ++retries_;
      delayed_ = true;
      pool_.Dispatch(*this);
      return;
    }
    if (result.ok()) {
      (retries_ > 0 ? result->timings.retry : result->timings.queue) += sent_after_;
      result->timings.retries = retries_;
    }
    End(std::move(result));
  }

  // No replica and no list knows this call any more.
  void Detach() {
    if (WorkerSession* session = std::exchange(session_, nullptr)) session->Abandon(id_);
    if (position_.has_value()) pool_.waiting_.erase(*std::exchange(position_, std::nullopt));
  }

  RunnerPool& pool_;
  Call call_;
  CallDone done_;
  const absl::Time started_;
  int retries_ = 0;
  bool delayed_ = false;       // It waited for a replica, or is run again.
  absl::Duration sent_after_;  // The attempt that counts; where it was delayed.
  Loop::Timer deadline_;
  WorkerSession* session_ = nullptr;  // While a worker has the call.
  uint64_t id_ = 0;
  std::optional<std::list<PooledCall*>::iterator> position_;  // While it waits for a replica.
  std::shared_ptr<bool> alive_;                               // Shared with a deferred end.
};

RunnerPool::RunnerPool(DispatchParts& parts, RunnerPoolOptions options, Events events)
    : parts_(parts), options_(std::move(options)), events_(std::move(events)) {
  for (int i = 0; i < options_.replicas; ++i) {
    replicas_.push_back(std::make_unique<Replica>(
        parts_, Replica::Events{
                    .ready =
                        [this, i](const WorkerDescription& description) {
                          const bool fits = Accept(description);
                          events_.attached(i, fits);
                          return fits;
                        },
                    .changed = [this] { OnChange(); },
                    .hung = [this, i](const absl::Status& why) { events_.hung(i, why); },
                }));
  }
}

RunnerPool::~RunnerPool() = default;

std::unique_ptr<PendingCall> RunnerPool::Start(Call call, CallDone done) {
  auto pending = std::make_unique<PooledCall>(*this, std::move(call), std::move(done));
  if (outstanding() + waiting_.size() >= static_cast<size_t>(calls_at_once())) {
    pending->EndLater(absl::ResourceExhaustedError(
        StrCat("the queue is full (queue.max is ", options_.queue_max,
               "): send less at a time, or raise queue.max or replicas")));
  } else {
    Dispatch(*pending);
  }
  return pending;
}

void RunnerPool::Dispatch(PooledCall& call) {
  if (Replica* replica = LeastLoaded(); replica != nullptr) {
    call.SendTo(*replica->session());
  } else if (coming_back()) {
    call.WaitIn(waiting_);
  } else {
    call.EndLater(absl::UnavailableError("no replica is ready; the server's log says why"));
  }
}

Replica* RunnerPool::LeastLoaded() {
  Replica* best = nullptr;
  for (const auto& replica : replicas_) {
    if (!replica->ready()) continue;
    if (best == nullptr || replica->load() < best->load()) best = replica.get();
  }
  return best;
}

size_t RunnerPool::outstanding() const {
  size_t sum = 0;
  for (const auto& replica : replicas_) sum += replica->outstanding();
  return sum;
}

bool RunnerPool::coming_back() const {
  return std::any_of(replicas_.begin(), replicas_.end(),
                     [](const auto& replica) { return replica->coming_back(); });
}

bool RunnerPool::ready() const {
  return std::any_of(replicas_.begin(), replicas_.end(),
                     [](const auto& replica) { return replica->ready(); });
}

bool RunnerPool::all_ready() const {
  return std::all_of(replicas_.begin(), replicas_.end(),
                     [](const auto& replica) { return replica->ready(); });
}

bool RunnerPool::Accept(const WorkerDescription& description) {
  if (!description_.has_value()) {
    description_ = description;
    return true;
  }
  if (description_->methods == description.methods &&
      description_->model_version == description.model_version) {
    return true;
  }
  log::Write(log::Level::kError, "worker_refused",
             StrCat("runner '", options_.name,
                    "': a worker has another signature or model than the graph was checked with: "
                    "the service file was changed; restart the server"),
             {{"runner", options_.name}});
  return false;
}

void RunnerPool::OnChange() {
  std::list<PooledCall*> waiting;
  if (ready() || !coming_back()) waiting.swap(waiting_);
  while (!waiting.empty()) {
    PooledCall& call = *waiting.front();
    waiting.pop_front();
    call.LeaveList();
    Dispatch(call);
  }
  events_.changed();
}

void RunnerPool::ForgetSegment(uint64_t id) {
  for (const auto& replica : replicas_) replica->ForgetSegment(id);
}

}  // namespace tiffin::gateway
