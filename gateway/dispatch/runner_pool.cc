#include "gateway/dispatch/runner_pool.h"

#include <algorithm>
#include <utility>

#include "common/strings.h"
#include "spdlog/spdlog.h"

namespace tiffin::gateway {

// A call from Start to its end, whichever replica it is with.
class RunnerPool::PooledCall : public PendingCall {
 public:
  PooledCall(RunnerPool& pool, Call call, std::optional<RunnerLoad::Place> place, CallDone done)
      : pool_(pool), call_(std::move(call)), place_(std::move(place)), done_(std::move(done)) {
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

  void WaitIn(std::list<PooledCall*>& list) { position_ = list.insert(list.end(), this); }
  void LeaveList() { position_.reset(); }

  bool has_place() const { return place_.has_value(); }

  void SendTo(size_t replica, WorkerSession& session) {
    place_->GoTo(replica);
    const absl::StatusOr<uint64_t> id = session.Execute(call_, *std::exchange(place_, std::nullopt),
                                                        [this](absl::StatusOr<CallResult> result) {
                                                          session_ = nullptr;
                                                          OnResult(std::move(result));
                                                        });
    if (!id.ok()) {
      EndLater(id.status());
      return;
    }
    session_ = &session;
    id_ = *id;
  }

  // From the ready list, for Start must not call back.
  void EndLater(absl::Status status) {
    place_.reset();
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
      place_ = pool_.load_.EnterAgain();
      pool_.Dispatch(*this);
      return;
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
  std::optional<RunnerLoad::Place> place_;  // While no worker has the call.
  CallDone done_;
  Loop::Timer deadline_;
  WorkerSession* session_ = nullptr;  // While a worker has the call.
  uint64_t id_ = 0;
  std::optional<std::list<PooledCall*>::iterator> position_;  // While it waits for a replica.
  std::shared_ptr<bool> alive_;                               // Shared with a deferred end.
};

RunnerPool::RunnerPool(DispatchParts& parts, RunnerPoolOptions options, RunnerLoad& load,
                       Events events)
    : parts_(parts), options_(std::move(options)), load_(load), events_(std::move(events)) {
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
  auto pending =
      std::make_unique<PooledCall>(*this, std::move(call), load_.Enter(), std::move(done));
  if (!pending->has_place()) {
    pending->EndLater(absl::ResourceExhaustedError(
        StrCat("the queue is full (queue.max is ", options_.queue_max,
               "): send less at a time, or raise queue.max or replicas")));
  } else {
    Dispatch(*pending);
  }
  return pending;
}

void RunnerPool::Dispatch(PooledCall& call) {
  if (const std::optional<size_t> replica = LeastLoaded(); replica.has_value()) {
    call.SendTo(*replica, *replicas_[*replica]->session());
  } else if (coming_back()) {
    call.WaitIn(waiting_);
  } else {
    call.EndLater(absl::UnavailableError("no replica is ready; the server's log says why"));
  }
}

std::optional<size_t> RunnerPool::LeastLoaded() const {
  std::optional<size_t> best;
  int64_t least = 0;
  for (size_t i = 0; i < replicas_.size(); ++i) {
    if (!replicas_[i]->ready()) continue;
    const int64_t calls = load_.at(i) + replicas_[i]->lost_calls();
    if (best.has_value() && calls >= least) continue;
    best = i;
    least = calls;
  }
  return best;
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
  spdlog::error(
      "runner '{}': a worker has another signature or model than the graph was checked with: the "
      "service file was changed; restart the server",
      options_.name);
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
