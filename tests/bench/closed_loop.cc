#include "tests/bench/closed_loop.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"

namespace tiffin::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int64_t kCheckEvery = 61;

absl::Status ToAbsl(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

// One of the calls under way; used again as soon as it is complete.
struct Slot {
  std::optional<grpc::ClientContext> context;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> call;
  grpc::ByteBuffer reply;
  grpc::Status status;
  size_t request = 0;
  SteadyClock::time_point started;
};

// Runs once. Everything happens on the thread that calls Run.
class ClosedLoop {
 public:
  ClosedLoop(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
             std::span<const grpc::ByteBuffer> requests, ReplyCheck check, const Load& load)
      : stub_(channel),
        method_(method),
        requests_(requests),
        check_(check),
        load_(load),
        slots_(static_cast<size_t>(load.in_flight)) {
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
    slot.context.emplace();
    slot.reply.Clear();
    slot.request = std::exchange(next_request_, (next_request_ + 1) % requests_.size());
    slot.started = SteadyClock::now();
    slot.call = stub_.PrepareUnaryCall(&*slot.context, method_, requests_[slot.request], &queue_);
    slot.call->StartCall();
    slot.call->Finish(&slot.reply, &slot.status, &slot);
    ++under_way_;
  }

  absl::Status OnReply(Slot& slot) {
    const SteadyClock::time_point now = SteadyClock::now();
    if (!slot.status.ok()) return ToAbsl(slot.status);
    ++result_.total_requests;
    if (now >= begin_ && !stopping_) {
      ++replies_;
      last_reply_ = now;
    }
    if (slot.started >= begin_) result_.latencies_ns.push_back((now - slot.started).count());
    // One call is measured even if none both started and ended in time.
    const bool time_is_over = now >= end_ && !result_.latencies_ns.empty();
    stopping_ = stopping_ || time_is_over || replies_ >= load_.max_requests;
    const bool is_last = stopping_ && under_way_ == 0;
    if (result_.total_requests % kCheckEvery == 1 || is_last) {
      RETURN_IF_ERROR(check_(slot.reply, slot.request));
    }
    if (!stopping_) Start(slot);
    return absl::OkStatus();
  }

  void Cancel() {
    for (Slot& slot : slots_) {
      if (slot.context.has_value()) slot.context->TryCancel();
    }
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

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  const std::string& method_;
  const std::span<const grpc::ByteBuffer> requests_;
  size_t next_request_ = 0;
  ReplyCheck check_;
  const Load& load_;
  std::vector<Slot> slots_;
  int under_way_ = 0;
  SteadyClock::time_point begin_;  // Of what is measured.
  SteadyClock::time_point end_;
  SteadyClock::time_point last_reply_;
  int64_t replies_ = 0;  // From begin_ on.
  bool stopping_ = false;
  LoadResult result_;
};

}  // namespace

absl::StatusOr<LoadResult> RunClosedLoop(const std::shared_ptr<grpc::Channel>& channel,
                                         const std::string& method,
                                         std::span<const grpc::ByteBuffer> requests,
                                         ReplyCheck check, const Load& load) {
  return ClosedLoop(channel, method, requests, check, load).Run();
}

}  // namespace tiffin::bench
