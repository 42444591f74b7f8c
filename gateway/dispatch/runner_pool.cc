#include "gateway/dispatch/runner_pool.h"

#include <algorithm>
#include <utility>

#include "common/strings.h"
#include "spdlog/spdlog.h"

namespace tiffin::gateway {
namespace {

// A worker looked at the call's content, and lives.
bool WasRun(const absl::Status& status) {
  return !absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status) &&
         !absl::IsCancelled(status);
}

}  // namespace

// A call from Start to its end, whichever replica it is with.
class RunnerPool::PooledCall : public PendingCall {
 public:
  PooledCall(RunnerPool& pool, Call call, CallDone done)
      : pool_(pool), call_(std::move(call)), done_(std::move(done)) {
    if (call_.deadline != absl::InfiniteFuture()) {
      deadline_ = pool_.parts_.loop.At(call_.deadline, [this] {
        Detach();
        End(absl::DeadlineExceededError("the deadline passed"));
      });
    }
  }

  ~PooledCall() override {
    Detach();
    if (done_ != nullptr) pool_.metrics_.calls.Count(absl::StatusCode::kCancelled);
    if (alive_ != nullptr) *alive_ = false;
  }

  void WaitIn(CallList& list) {
    list_ = &list;
    waiting_ = metrics::Held(pool_.metrics_.waiting);
    position_ = list.insert(list.end(), this);
  }
  void LeaveList() {
    list_ = nullptr;
    waiting_ = metrics::Held();
  }

  CallContent content() const {
    CallContent content{.method = *call_.method, .rows = call_.rows, .inputs = {}};
    for (const Value& input : call_.inputs) content.inputs.push_back(input.buffer);
    return content;
  }

  void SendTo(WorkerSession& session, WorkerSession::Company company) {
    const absl::StatusOr<uint64_t> id =
        session.Execute(call_, company, [this](absl::StatusOr<CallResult> result) {
          session_ = nullptr;
          OnResult(std::move(result));
        });
    if (!id.ok()) {
      EndLater(id.status());
      return;
    }
    if (company == WorkerSession::Company::kTrial) pool_.trial_ = this;
    session_ = &session;
    id_ = *id;
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
    if (done == nullptr) return;
    pool_.metrics_.calls.Count(result.status().code());
    std::move(done)(std::move(result));
  }

 private:
  void OnResult(absl::StatusOr<CallResult> result) {
    const bool was_trial = pool_.trial_ == this;
    if (was_trial && WasRun(result.status())) pool_.quarantine_.Acquit(content());
    if (MayRunAgain(result.status())) {
      if (was_trial) pool_.trial_ = nullptr;
      pool_.metrics_.retries.Add();
      pool_.Dispatch(*this);
      if (was_trial && pool_.trial_ == nullptr) pool_.EndTrial();
      return;
    }
    if (was_trial) pool_.EndTrial();
    End(std::move(result));
  }

  // Counts an attempt where that is one.
  bool MayRunAgain(const absl::Status& status) {
    if (!absl::IsUnavailable(status)) return false;
    switch (InterruptionOf(status)) {
      case Interruption::kNeverRan:
        return true;
      case Interruption::kBystander:
        if (call_.signature->retry_safe) return true;
        break;
      case Interruption::kSuspect:
        // Then it is told why it is not run again.
        if (pool_.quarantine_.Judge(content()) == Quarantine::Verdict::kQuarantined) return true;
        break;
      case Interruption::kMayHaveRun:
      case Interruption::kNone:
        break;
    }
    if (call_.retries == 0) return false;
    --call_.retries;
    return true;
  }

  // No replica and no list knows this call any more.
  void Detach() {
    if (WorkerSession* session = std::exchange(session_, nullptr)) session->Abandon(id_);
    if (CallList* list = std::exchange(list_, nullptr)) list->erase(position_);
    waiting_ = metrics::Held();
    if (pool_.trial_ == this) pool_.EndTrial();
  }

  RunnerPool& pool_;
  Call call_;
  CallDone done_;
  Loop::Timer deadline_;
  WorkerSession* session_ = nullptr;  // While a worker has the call.
  uint64_t id_ = 0;
  CallList* list_ = nullptr;     // While it waits in one of the pool's.
  CallList::iterator position_;  // There.
  metrics::Held waiting_;        // Likewise.
  std::shared_ptr<bool> alive_;  // Shared with a deferred end.
};

RunnerPool::RunnerPool(DispatchParts& parts, RunnerPoolOptions options,
                       metrics::RunnerMetrics& metrics, Events events)
    : parts_(parts),
      options_(std::move(options)),
      metrics_(metrics),
      events_(std::move(events)),
      quarantine_(parts.loop.clock()) {
  for (int i = 0; i < options_.replicas; ++i) {
    replicas_.push_back(std::make_unique<Replica>(
        parts_, *metrics_.replicas[static_cast<size_t>(i)],
        Replica::Events{
            .ready =
                [this, i](const WorkerDescription& description) {
                  const bool fits = Accept(description);
                  events_.attached(i, fits);
                  return fits;
                },
            .changed = [this] { OnChange(); },
            .hung = [this, i](const absl::Status& why) { events_.hung(i, why); },
            .suspect = [this](const CallContent& content,
                              std::string_view cause) { OnSuspect(content, cause); },
        }));
  }
}

RunnerPool::~RunnerPool() { *alive_ = false; }

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
  const Quarantine::Verdict verdict =
      quarantine_.empty() ? Quarantine::Verdict::kClear : quarantine_.Judge(call.content());
  if (verdict == Quarantine::Verdict::kQuarantined) {
    call.EndLater(absl::InvalidArgumentError(
        StrCat("this input has ended the model's worker twice and is not run again for ",
               absl::FormatDuration(Quarantine::kKept), "; other inputs are")));
  } else if (Replica* replica = LeastLoaded(); replica != nullptr) {
    const bool suspect = verdict == Quarantine::Verdict::kSuspect;
    if (suspect && trial_ != nullptr) {
      call.WaitIn(suspects_);
    } else {
      call.SendTo(*replica->session(),
                  suspect ? WorkerSession::Company::kTrial : WorkerSession::Company::kShared);
    }
  } else if (coming_back()) {
    call.WaitIn(waiting_);
  } else {
    call.EndLater(absl::UnavailableError("no replica is ready; the server's log says why"));
  }
}

void RunnerPool::OnSuspect(const CallContent& content, std::string_view cause) {
  const bool quarantined = quarantine_.Convict(content) == Quarantine::Verdict::kQuarantined;
  spdlog::error("runner '{}': a worker died of {} while it executed an input of {} bytes: {}",
                options_.name, cause, content.size(),
                quarantined ? "its second time, it is not run again for a while"
                            : "it is suspect, and is run alone next time");
}

void RunnerPool::EndTrial() {
  trial_ = nullptr;
  if (suspects_.empty()) return;
  // Later: who ended may be on its way out.
  parts_.loop.Defer([this, alive = alive_] {
    if (!*alive || trial_ != nullptr || suspects_.empty()) return;
    PooledCall& next = *suspects_.front();
    suspects_.pop_front();
    next.LeaveList();
    Dispatch(next);
    // One that is no trial any more leaves the others waiting for none.
    if (trial_ == nullptr) EndTrial();
  });
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
  spdlog::error(
      "runner '{}': a worker has another signature or model than the graph was checked with: the "
      "service file was changed; restart the server",
      options_.name);
  return false;
}

void RunnerPool::OnChange() {
  CallList waiting;
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
