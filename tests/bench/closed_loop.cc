#include "tests/bench/closed_loop.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "common/strings.h"
#include "tests/bench/unary_call.h"

namespace tiffin::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

// One of the calls under way; used again as soon as it is complete.
struct Slot {
  UnaryCall call;
  size_t request = 0;
  SteadyClock::time_point started;
};

// User and system time of a process, from its start.
absl::StatusOr<std::chrono::nanoseconds> CpuTime(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
    return absl::NotFoundError(StrCat("no process ", pid));
  }
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// Runs once. Everything happens on the thread that calls Run.
class ClosedLoop {
 public:
  ClosedLoop(const Workload& workload, const ClosedLoad& load)
      : workload_(workload), load_(load), slots_(static_cast<size_t>(load.in_flight)) {
    for (const auto& channel : workload.channels) stubs_.emplace_back(channel);
    result_.latencies_ns.reserve(
        static_cast<size_t>(std::min<int64_t>(load.max_requests, 1 << 20)));
  }

  ~ClosedLoop() {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  absl::StatusOr<LoadResult> Run() {
    begin_ = SteadyClock::now() + absl::ToChronoNanoseconds(load_.warm_up);
    end_ = begin_ + absl::ToChronoNanoseconds(load_.duration);
    const auto give_up =
        absl::ToChronoTime(absl::Now() + load_.warm_up + load_.duration + load_.patience);
    for (Slot& slot : slots_) Start(slot);
    absl::Status failure;
    while (under_way_ > 0) {
      void* tag = nullptr;
      bool ok = false;
      if (queue_.AsyncNext(&tag, &ok, give_up) != grpc::CompletionQueue::GOT_EVENT) {
        failure.Update(absl::DeadlineExceededError(
            StrCat(under_way_, " of ", load_.in_flight, " calls got no reply within ",
                   absl::FormatDuration(load_.patience), " of the end")));
        Cancel();
        continue;
      }
      auto& slot = *static_cast<Slot*>(tag);
      --under_way_;
      // Once it has failed, the calls still under way are only waited for.
      if (!failure.ok()) continue;
      failure = OnReply(slot);
      if (!failure.ok()) Cancel();
    }
    RETURN_IF_ERROR(failure);
    return Finish();
  }

 private:
  void Start(Slot& slot) {
    slot.request = std::exchange(next_request_, (next_request_ + 1) % workload_.requests.size());
    grpc::GenericStub& stub = stubs_[std::exchange(next_stub_, (next_stub_ + 1) % stubs_.size())];
    slot.started = SteadyClock::now();
    slot.call.Start(stub, workload_.method, workload_.requests[slot.request],
                    {.wants_timing = load_.wants_timings}, queue_, &slot);
    ++under_way_;
  }

  absl::Status OnReply(Slot& slot) {
    const SteadyClock::time_point now = SteadyClock::now();
    RETURN_IF_ERROR(slot.call.status());
    const bool needs_check = NeedsCheck(result_.total_requests++);
    if (now >= begin_ && !stopping_) {
      ++replies_;
      last_reply_ = now;
      if (replies_ == 1) RETURN_IF_ERROR(NoteCpuTime());
    }
    if (slot.started >= begin_) {
      result_.latencies_ns.push_back((now - slot.started).count());
      if (load_.wants_timings) result_.timings.push_back(slot.call.timing());
    }
    // One call is measured even if none both started and ended in time.
    const bool time_is_over = now >= end_ && !result_.latencies_ns.empty();
    if (!stopping_ && (time_is_over || replies_ >= load_.max_requests)) {
      stopping_ = true;
      RETURN_IF_ERROR(NoteCpuTime());
    }
    const bool is_last = stopping_ && under_way_ == 0;
    if (needs_check || is_last) RETURN_IF_ERROR(workload_.check(slot.call.reply(), slot.request));
    if (!stopping_) Start(slot);
    return absl::OkStatus();
  }

  // At the first reply that is measured, and at the last.
  absl::Status NoteCpuTime() {
    if (load_.cpu_of == 0) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::chrono::nanoseconds now, CpuTime(load_.cpu_of));
    const std::chrono::duration<double, std::micro> used = now - std::exchange(cpu_time_, now);
    if (replies_ > 1) result_.cpu_of_us = used.count() / static_cast<double>(replies_ - 1);
    return absl::OkStatus();
  }

  void Cancel() {
    for (Slot& slot : slots_) slot.call.Cancel();
  }

  absl::StatusOr<LoadResult> Finish() {
    const std::chrono::duration<double> window = last_reply_ - begin_;
    if (result_.latencies_ns.empty() || window.count() <= 0) {
      return absl::FailedPreconditionError(
          "no call started after the warm-up; allow more of them with --max-requests");
    }
    result_.throughput = static_cast<double>(replies_) / window.count();
    return std::move(result_);
  }

  std::vector<grpc::GenericStub> stubs_;
  grpc::CompletionQueue queue_;
  const Workload& workload_;
  const ClosedLoad& load_;
  size_t next_request_ = 0;
  size_t next_stub_ = 0;
  std::vector<Slot> slots_;
  int under_way_ = 0;
  SteadyClock::time_point begin_;  // Of what is measured.
  SteadyClock::time_point end_;
  SteadyClock::time_point last_reply_;
  int64_t replies_ = 0;                  // From begin_ on.
  std::chrono::nanoseconds cpu_time_{};  // As noted last.
  bool stopping_ = false;
  LoadResult result_;
};

}  // namespace

absl::StatusOr<LoadResult> RunClosedLoop(const Workload& workload, const ClosedLoad& load) {
  return ClosedLoop(workload, load).Run();
}

}  // namespace tiffin::bench
