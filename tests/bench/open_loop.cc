#include "tests/bench/open_loop.h"

#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <thread>
#include <utility>

#include "common/status_macros.h"
#include "tests/bench/unary_call.h"

namespace tiffin::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

// How far ahead of the first call.
constexpr auto kStartUp = std::chrono::milliseconds(1);

// What a call may end with.
enum class Refusals { kFail, kCount };

// Runs once. The thread that calls Run starts the calls, another one takes the replies: gRPC's
// queue can't wake the first in time for the next call, for its timeouts are whole milliseconds.
class OpenLoop {
 public:
  OpenLoop(const Workload& workload, const OpenLoad& load, Refusals refusals)
      : workload_(workload),
        load_(load),
        refusals_(refusals),
        stub_(workload.channels.front()),
        begin_(SteadyClock::now() + kStartUp) {}

  absl::StatusOr<std::vector<Outcome>> Run() {
    // Sleeps are otherwise up to 50 us longer than asked for.
    prctl(PR_SET_TIMERSLACK, 1);
    {
      const std::jthread reader([this] { TakeReplies(); });
      StartCalls();
      // The reader ends when it has taken the last reply.
      queue_.Shutdown();
    }
    RETURN_IF_ERROR(failure_);
    return std::move(outcomes_);
  }

 private:
  struct TimedCall {
    UnaryCall call;
    size_t request = 0;
    SteadyClock::time_point due;
    SteadyClock::time_point started;
  };

  void StartCalls() {
    for (const absl::Duration arrival : load_.arrivals) {
      const SteadyClock::time_point due = begin_ + absl::ToChronoNanoseconds(arrival);
      std::this_thread::sleep_until(due);
      if (failed_) return;
      TimedCall& timed = calls_.emplace_back();
      timed.due = due;
      timed.started = SteadyClock::now();
      timed.request = (calls_.size() - 1) % workload_.requests.size();
      timed.call.Start(stub_, workload_.method, workload_.requests[timed.request],
                       {.deadline = absl::Now() + load_.patience}, queue_, &timed);
    }
  }

  void TakeReplies() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
      auto& timed = *static_cast<TimedCall*>(tag);
      failure_.Update(OnReply(timed));
      if (!failure_.ok()) failed_ = true;
      timed.call.Release();
    }
  }

  absl::Status OnReply(const TimedCall& timed) {
    const SteadyClock::time_point now = SteadyClock::now();
    const absl::Status status = timed.call.status();
    if (!status.ok() && (refusals_ == Refusals::kFail || !IsRefusal(status))) return status;
    outcomes_.push_back({.due = absl::FromChrono(timed.due - begin_),
                         .lag = absl::FromChrono(timed.started - timed.due),
                         .latency = absl::FromChrono(now - timed.due),
                         .code = status.code()});
    if (!status.ok() || !NeedsCheck(answered_++)) return absl::OkStatus();
    return workload_.check(timed.call.reply(), timed.request);
  }

  static bool IsRefusal(const absl::Status& status) {
    return absl::IsResourceExhausted(status) || absl::IsDeadlineExceeded(status);
  }

  const Workload& workload_;
  const OpenLoad& load_;
  const Refusals refusals_;
  grpc::GenericStub stub_;
  const SteadyClock::time_point begin_;
  // Grows at its end alone, so that what is in it stays where it is.
  std::deque<TimedCall> calls_;
  std::atomic<bool> failed_ = false;

  // The reader's, until it has ended.
  absl::Status failure_;
  std::vector<Outcome> outcomes_;
  int64_t answered_ = 0;

  grpc::CompletionQueue queue_;
};

}  // namespace

absl::StatusOr<LoadResult> RunOpenLoop(const Workload& workload, const OpenLoad& load) {
  ASSIGN_OR_RETURN(const std::vector<Outcome> outcomes,
                   OpenLoop(workload, load, Refusals::kFail).Run());
  LoadResult result;
  result.total_requests = static_cast<int64_t>(outcomes.size());
  absl::Duration last_reply;
  for (const Outcome& outcome : outcomes) {
    if (outcome.due < load.warm_up) continue;
    result.latencies_ns.push_back(absl::ToInt64Nanoseconds(outcome.latency));
    last_reply = std::max(last_reply, outcome.due + outcome.latency);
  }
  if (result.latencies_ns.empty()) {
    return absl::FailedPreconditionError(
        "no call after the warm-up; give it more time with --seconds");
  }
  result.throughput = static_cast<double>(result.latencies_ns.size()) /
                      absl::ToDoubleSeconds(last_reply - load.warm_up);
  return result;
}

absl::StatusOr<std::vector<Outcome>> RunOverload(const Workload& workload, const OpenLoad& load) {
  return OpenLoop(workload, load, Refusals::kCount).Run();
}

}  // namespace tiffin::bench
