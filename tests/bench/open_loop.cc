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

// Runs once. The thread that calls Run starts the calls, another one takes the replies: gRPC's
// queue can't wake the first in time for the next call, for its timeouts are whole milliseconds.
class OpenLoop {
 public:
  OpenLoop(const Workload& workload, const OpenLoad& load)
      : workload_(workload),
        load_(load),
        stub_(workload.channels.front()),
        begin_(SteadyClock::now() + kStartUp) {}

  absl::StatusOr<LoadResult> Run() {
    // Sleeps are otherwise up to 50 us longer than asked for.
    prctl(PR_SET_TIMERSLACK, 1);
    {
      const std::jthread reader([this] { TakeReplies(); });
      StartCalls();
      // The reader ends when it has taken the last reply.
      queue_.Shutdown();
    }
    RETURN_IF_ERROR(failure_);
    if (result_.latencies_ns.empty()) {
      return absl::FailedPreconditionError(
          "no call after the warm-up; give it more time with --seconds");
    }
    const std::chrono::duration<double> window =
        last_reply_ - begin_ - absl::ToChronoNanoseconds(load_.warm_up);
    result_.throughput = static_cast<double>(result_.latencies_ns.size()) / window.count();
    return std::move(result_);
  }

 private:
  struct TimedCall {
    UnaryCall call;
    size_t request = 0;
    SteadyClock::time_point due;
  };

  void StartCalls() {
    for (const absl::Duration arrival : load_.arrivals) {
      const SteadyClock::time_point due = begin_ + absl::ToChronoNanoseconds(arrival);
      std::this_thread::sleep_until(due);
      if (failed_) return;
      TimedCall& timed = calls_.emplace_back();
      timed.due = due;
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
    RETURN_IF_ERROR(timed.call.status());
    if (timed.due >= begin_ + absl::ToChronoNanoseconds(load_.warm_up)) {
      result_.latencies_ns.push_back((now - timed.due).count());
      last_reply_ = std::max(last_reply_, now);
    }
    if (!NeedsCheck(result_.total_requests++)) return absl::OkStatus();
    return workload_.check(timed.call.reply(), timed.request);
  }

  const Workload& workload_;
  const OpenLoad& load_;
  grpc::GenericStub stub_;
  const SteadyClock::time_point begin_;
  // Grows at its end alone, so that what is in it stays where it is.
  std::deque<TimedCall> calls_;
  std::atomic<bool> failed_ = false;

  // The reader's, until it has ended.
  absl::Status failure_;
  LoadResult result_;
  SteadyClock::time_point last_reply_;

  grpc::CompletionQueue queue_;
};

}  // namespace

absl::StatusOr<LoadResult> RunOpenLoop(const Workload& workload, const OpenLoad& load) {
  return OpenLoop(workload, load).Run();
}

}  // namespace tiffin::bench
