#include "gateway/dispatch/runner_pool.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "common/strings.h"
#include "gateway/dispatch/worker_identity.h"

namespace tiffin::gateway {
namespace {

// A worker looked at the call's content, and lives.
bool WasRun(const absl::Status& status) {
  return !absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status) &&
         !absl::IsCancelled(status);
}

absl::Status QuarantinedError() {
  return absl::InvalidArgumentError(
      StrCat("this input has ended the model's worker twice and is not run again for ",
             absl::FormatDuration(Quarantine::kKept), "; other inputs are"));
}

// Whole milliseconds: what is more exact would only seem so.
std::string InWords(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(duration, absl::Milliseconds(1)));
}

// So that a worker at the wrong address can be seen.
}  // namespace

// A call from Start to its end, whichever replica it is with.
class RunnerPool::PooledCall : public PendingCall {
 public:
  PooledCall(RunnerPool& pool, Call call, std::optional<RunnerLoad::Place> place, CallDone done)
      : pool_(pool),
        call_(std::move(call)),
        place_(std::move(place)),
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
    if (done_ != nullptr) pool_.metrics_.calls.Count(absl::StatusCode::kCancelled);
    if (alive_ != nullptr) *alive_ = false;
  }

  void WaitIn(CallList& list) {
    list_ = &list;
    waiting_ = metrics::Held(pool_.metrics_.waiting);
    position_ = list.insert(list.end(), this);
    delayed_ = true;
  }
  void LeaveList() {
    list_ = nullptr;
    waiting_ = metrics::Held();
  }

  bool has_place() const { return place_.has_value(); }
  CallContent content() const {
    CallContent content{.method = *call_.method, .rows = call_.rows, .inputs = {}};
    for (const Value& input : call_.inputs) content.inputs.push_back(input.buffer);
    return content;
  }

  void SendTo(size_t replica, WorkerSession& session, WorkerSession::Company company) {
    place_->GoTo(replica);
    replica_ = replica;
    const absl::StatusOr<uint64_t> id =
        session.Execute(call_, company, *std::exchange(place_, std::nullopt),
                        [this](absl::StatusOr<CallResult> result) {
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
    if (delayed_) sent_after_ = pool_.parts_.loop.now() - started_;
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
    if (done == nullptr) return;
    pool_.metrics_.calls.Count(result.status().code());
    std::move(done)(std::move(result));
  }

 private:
  void OnResult(absl::StatusOr<CallResult> result) {
    pool_.Judge(replica_, result.status());
    if (WasRun(result.status())) {
      const auto others = static_cast<size_t>(pool_.shared_.load.calls());
      pool_.shared_.queue_wait.Leave(others + 1, started_, pool_.parts_.loop.now());
    }
    const bool was_trial = pool_.trial_ == this;
    if (was_trial && WasRun(result.status())) pool_.shared_.quarantine.Acquit(content());
    if (IsQuarantined(result.status())) result = QuarantinedError();
    if (MayRunAgain(result.status())) {
      if (was_trial) pool_.trial_ = nullptr;
      ++runs_again_;
      delayed_ = true;
      place_ = pool_.shared_.load.EnterAgain();
      pool_.metrics_.retries.Add();
      pool_.Dispatch(*this);
      if (was_trial && pool_.trial_ == nullptr) pool_.EndTrial();
      return;
    }
    if (was_trial) pool_.EndTrial();
    if (result.ok()) {
      (runs_again_ > 0 ? result->timings.retry : result->timings.queue) += sent_after_;
      result->timings.retries = runs_again_;
    }
    End(std::move(result));
  }

  // By what it has just done, for the second time.
  bool IsQuarantined(const absl::Status& status) const {
    return InterruptionOf(status) == Interruption::kSuspect &&
           pool_.shared_.quarantine.Judge(content()) == Quarantine::Verdict::kQuarantined;
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
  std::optional<RunnerLoad::Place> place_;  // While no worker has the call.
  CallDone done_;
  const absl::Time started_;
  int runs_again_ = 0;
  bool delayed_ = false;       // It waited for a replica, or is run again.
  absl::Duration sent_after_;  // The attempt that counts; where it was delayed.
  Loop::Timer deadline_;
  size_t replica_ = 0;                // That it was sent to last.
  WorkerSession* session_ = nullptr;  // While a worker has the call.
  uint64_t id_ = 0;
  CallList* list_ = nullptr;     // While it waits in one of the pool's.
  CallList::iterator position_;  // There.
  metrics::Held waiting_;        // Likewise.
  std::shared_ptr<bool> alive_;  // Shared with a deferred end.
};

RunnerPool::RunnerPool(DispatchParts& parts, RunnerPoolOptions options, SharedRunner& shared,
                       Events events)
    : parts_(parts),
      options_(std::move(options)),
      shared_(shared),
      metrics_(shared.metrics),
      events_(std::move(events)) {
  for (int i = 0; i < options_.replicas; ++i) {
    replicas_.push_back(std::make_unique<Replica>(
        parts_, *metrics_.replicas[static_cast<size_t>(i)],
        Replica::Events{
            .ready =
                [this, i](const WorkerDescription& description) {
                  // Before, none may have taken calls: that says nothing about a queue.
                  shared_.queue_wait.BeginAnew(parts_.loop.now());
                  absl::Status fits = Accept(static_cast<size_t>(i), description);
                  events_.attached(i, fits.ok());
                  return fits;
                },
            .changed = [this] { OnChange(); },
            .hung = [this, i](const absl::Status& why) { events_.hung(i, why); },
            .suspect = [this](const CallContent& content,
                              const WorkerDeath& death) { OnSuspect(content, death); },
            .unreachable =
                [this, i](const absl::Status& status, bool had_served) {
                  OnUnreachable(static_cast<size_t>(i), status, had_served);
                },
        }));
  }
  if (options_.elsewhere) health_.resize(replicas_.size());
}

void RunnerPool::OnUnreachable(size_t index, const absl::Status& status, bool had_served) {
  if (had_served) CountFailure(index);
  Health& health = health_[index];
  if (!std::exchange(health.was_stranger, false)) shared_.strangers.Set(index, "");
  // Once for each thing that there is to say, not for each attempt; what was said of the whole
  // service, not of each worker too.
  std::string said = StrCat(Message(status));
  if (said != refusal_) refusal_.clear();
  if (parts_.tells_of_endpoints && said != health.said && said != refusal_) {
    const std::string& target = replicas_[index]->address().target;
    log::Write(log::Level::kWarning, had_served ? "worker_lost" : "worker_unreachable",
               StrCat("runner '", options_.name,
                      "': ", had_served ? "lost the worker at " : "no session with a worker at ",
                      target, ": ", said, "; trying again and again"),
               {{"runner", options_.name}, {"endpoint", target}, {"error", said}});
  }
  health.said = std::move(said);
  if (events_.unreachable != nullptr) events_.unreachable();
}

void RunnerPool::CountFailure(size_t index) {
  const absl::Time now = parts_.loop.now();
  Ejection& ejection = health_[index].ejection;
  if (!ejection.OnFailure(now) || !parts_.tells_of_endpoints) return;
  const std::string& target = replicas_[index]->address().target;
  log::Write(log::Level::kWarning, "worker_left_out",
             StrCat("runner '", options_.name, "': the worker at ", target,
                    " fails again and again; where there are others, it gets no calls for ",
                    absl::FormatDuration(ejection.until() - now)),
             {{"runner", options_.name}, {"endpoint", target}});
}

void RunnerPool::Judge(size_t index, const absl::Status& status) {
  // What a lost session's calls end with counts once, as that.
  if (!options_.elsewhere || InterruptionOf(status) != Interruption::kNone) return;
  if (absl::IsUnavailable(status) || absl::IsInternal(status)) {
    CountFailure(index);
  } else if (WasRun(status)) {
    health_[index].ejection.OnSuccess(parts_.loop.now());
  }
}

void RunnerPool::RefuseAll(const absl::Status& status) {
  refusal_ = StrCat(Message(status));
  for (const auto& replica : replicas_) replica->Refuse(status);
}

RunnerPool::~RunnerPool() { *alive_ = false; }

std::unique_ptr<PendingCall> RunnerPool::Start(Call call, CallDone done) {
  const absl::Time now = parts_.loop.now();
  const absl::Duration time_left = call.deadline - now;
  const auto before = static_cast<size_t>(shared_.load.calls());
  const absl::Duration wait = shared_.queue_wait.Predict(before, now);
  auto pending =
      std::make_unique<PooledCall>(*this, std::move(call), shared_.load.Enter(), std::move(done));
  if (!pending->has_place()) {
    pending->EndLater(absl::ResourceExhaustedError(
        StrCat("the queue is full (queue.max is ", options_.queue_max,
               "): send less at a time, or raise queue.max or replicas")));
  } else if (wait > time_left) {
    pending->EndLater(absl::ResourceExhaustedError(
        StrCat("with ", before, " calls before it this one might take ", InWords(wait),
               ", as things went lately, and has ", InWords(time_left),
               " until its deadline: send less at a time, or give it more time")));
  } else {
    Dispatch(*pending);
  }
  return pending;
}

void RunnerPool::Dispatch(PooledCall& call) {
  Quarantine& quarantine = shared_.quarantine;
  const Quarantine::Verdict verdict =
      quarantine.empty() ? Quarantine::Verdict::kClear : quarantine.Judge(call.content());
  if (verdict == Quarantine::Verdict::kQuarantined) {
    call.EndLater(QuarantinedError());
  } else if (const std::optional<size_t> replica = LeastLoaded(); replica.has_value()) {
    const bool suspect = verdict == Quarantine::Verdict::kSuspect;
    if (suspect && !TakeTrialTurn()) {
      call.WaitIn(suspects_);
    } else {
      call.SendTo(*replica, *replicas_[*replica]->session(),
                  suspect ? WorkerSession::Company::kTrial : WorkerSession::Company::kShared);
      if (suspect && trial_ == nullptr) EndTrial();  // It could not be sent.
    }
  } else if (coming_back()) {
    call.WaitIn(waiting_);
  } else {
    call.EndLater(absl::UnavailableError("no replica is ready; the server's log says why"));
  }
}

void RunnerPool::OnSuspect(const CallContent& content, const WorkerDeath& death) {
  const bool quarantined =
      shared_.quarantine.Convict(content, death.life) == Quarantine::Verdict::kQuarantined;
  log::Write(log::Level::kError, quarantined ? "input_quarantined" : "input_suspect",
             StrCat("runner '", options_.name, "': a worker died of ", death.cause,
                    " while it executed an input of ", content.size(), " bytes: ",
                    quarantined ? "its second time, it is not run again for a while"
                                : "it is suspect, and is run alone next time"),
             {{"runner", options_.name}, {"cause", death.cause}, {"bytes", content.size()}});
}

bool RunnerPool::TakeTrialTurn() {
  if (trial_ != nullptr || awaits_turn_) return false;
  trial_turn_.reset();
  auto turn = shared_.trial_turn.Take([this, &loop = parts_.loop, alive = alive_] {
    loop.Post([this, alive] {
      if (!*alive) return;
      awaits_turn_ = false;
      TryNextSuspect();
    });
  });
  awaits_turn_ = !turn.has_value();
  if (turn.has_value()) trial_turn_.emplace(*std::move(turn));
  return !awaits_turn_;
}

void RunnerPool::EndTrial() {
  trial_ = nullptr;
  trial_turn_.reset();
  TryNextSuspectLater();
}

// Who ended may be on its way out.
void RunnerPool::TryNextSuspectLater() {
  if (suspects_.empty() || awaits_turn_) return;
  parts_.loop.Defer([this, alive = alive_] {
    if (*alive) TryNextSuspect();
  });
}

void RunnerPool::TryNextSuspect() {
  if (trial_ != nullptr || suspects_.empty() || awaits_turn_) return;
  PooledCall& next = *suspects_.front();
  suspects_.pop_front();
  next.LeaveList();
  Dispatch(next);
  // One that is no trial any more leaves the others waiting for none.
  if (trial_ == nullptr) TryNextSuspectLater();
}

std::optional<size_t> RunnerPool::LeastLoaded() const {
  std::optional<size_t> best;
  bool best_is_ejected = false;
  int64_t least = 0;
  const absl::Time now = parts_.loop.now();
  for (size_t i = 0; i < replicas_.size(); ++i) {
    if (!replicas_[i]->ready()) continue;
    const bool is_ejected = options_.elsewhere && health_[i].ejection.ejected(now);
    const int64_t calls = shared_.load.at(i) + replicas_[i]->lost_calls();
    // One that is left out is better than none.
    const bool is_better = is_ejected != best_is_ejected ? best_is_ejected : calls < least;
    if (best.has_value() && !is_better) continue;
    best = i;
    best_is_ejected = is_ejected;
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

absl::Status RunnerPool::Accept(size_t index, const WorkerDescription& description) {
  if (options_.elsewhere) return AcceptElsewhere(index, description);
  if (shared_.accepted.Accept(description, AcceptedDescription::Version::kSame)) {
    return absl::OkStatus();
  }
  absl::Status refused = absl::FailedPreconditionError(
      StrCat("runner '", options_.name,
             "': a worker has another signature or model than the graph was checked with: the "
             "service file was changed; restart the server"));
  log::Write(log::Level::kError, "worker_refused", Message(refused), {{"runner", options_.name}});
  return refused;
}

// Who is refused is told of as one with whom no session can be had.
absl::Status RunnerPool::AcceptElsewhere(size_t index, const WorkerDescription& description) {
  const std::string& target = replicas_[index]->address().target;
  const std::string stranger = AnotherRunner(description, options_.name);
  shared_.strangers.Set(index,
                        stranger.empty() ? "" : StrCat("the worker at ", target, " ", stranger));
  health_[index].was_stranger = !stranger.empty();
  if (!stranger.empty()) return absl::FailedPreconditionError(StrCat("it ", stranger));
  if (!shared_.accepted.Accept(description, AcceptedDescription::Version::kAny)) {
    return absl::FailedPreconditionError(
        "the worker has another signature, model or backend than the graph was checked with");
  }
  // One that was refused, and may be refused again, was told of.
  if (!refusal_.empty()) return absl::OkStatus();
  if (parts_.tells_of_endpoints) {
    const bool is_shared = description.service != options_.service && !description.service.empty();
    log::Write(log::Level::kInfo, "worker_attached",
               StrCat("runner '", options_.name, "': attached to the worker at ", target,
                      ", which runs ", WhatRuns(description),
                      is_shared ? StrCat(", of service '", description.service, "'") : ""),
               {{"runner", options_.name}, {"endpoint", target}});
    if (const std::string other = RunsOther(description, options_.written); !other.empty()) {
      log::Write(log::Level::kWarning, "worker_differs",
                 StrCat("runner '", options_.name, "': the worker at ", target, " ", other),
                 {{"runner", options_.name}, {"endpoint", target}});
    }
  }
  health_[index].said.clear();
  return absl::OkStatus();
}

void RunnerPool::Withdraw(size_t index) {
  replicas_[index]->OnWithdrawn();
  shared_.strangers.Set(index, "");  // The last loop to do it has the last word.
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
