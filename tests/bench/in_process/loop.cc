#include "tests/bench/in_process/loop.h"

#include <atomic>
#include <chrono>
#include <latch>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "common/aligned_buffer.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

// What one thread does.
class ThreadLoop {
 public:
  ThreadLoop(Graph& graph, std::span<const std::string> requests,
             std::span<const std::string> expected, const LoopOptions& options)
      : graph_(graph), expected_(expected), options_(options) {
    for (size_t first = 0; first < requests.size(); ++first) {
      batches_.emplace_back(requests, first, static_cast<size_t>(options.batch));
    }
  }

  // Until the time is over and a batch was measured, or `failed` is set; sets it when it fails
  // itself.
  void Run(std::atomic<bool>& failed) {
    const SteadyClock::time_point begin =
        SteadyClock::now() + absl::ToChronoNanoseconds(options_.warm_up);
    const SteadyClock::time_point end = begin + absl::ToChronoNanoseconds(options_.duration);
    SteadyClock::time_point now = SteadyClock::now();
    while ((now < end || latencies_.empty()) && !failed.load(std::memory_order_relaxed)) {
      const SteadyClock::time_point started = now;
      status_ = AnswerOne();
      if (!status_.ok()) {
        failed = true;
        return;
      }
      now = SteadyClock::now();
      total_ += options_.batch;
      if (started < begin) continue;
      if (latencies_.empty()) first_started_ = started;
      latencies_.push_back((now - started).count());
    }
    measured_ = now - first_started_;
  }

  const absl::Status& status() const { return status_; }
  const std::vector<int64_t>& latencies() const { return latencies_; }
  int64_t total() const { return total_; }
  double throughput() const {
    const double answers = static_cast<double>(latencies_.size()) * options_.batch;
    return answers / std::chrono::duration<double>(measured_).count();
  }

 private:
  absl::Status AnswerOne() {
    ASSIGN_OR_RETURN(const std::vector<std::string> answers,
                     graph_.Answer(batches_[first_].view()));
    if (answers.size() != static_cast<size_t>(options_.batch)) {
      return absl::InternalError(StrCat(answers.size(), " answers to ", options_.batch));
    }
    for (const std::string& answer : answers) {
      if (answer != expected_[first_]) {
        return absl::DataLossError(StrCat("request ", first_, " was answered '", answer,
                                          "' and not '", expected_[first_], "'"));
      }
      first_ = (first_ + 1) % batches_.size();
    }
    return absl::OkStatus();
  }

  Graph& graph_;
  const std::span<const std::string> expected_;
  const LoopOptions& options_;
  std::vector<RequestBatch> batches_;  // By the request that each begins with.
  size_t first_ = 0;                   // The request that the next batch begins with.
  absl::Status status_;
  std::vector<int64_t> latencies_;
  int64_t total_ = 0;
  SteadyClock::time_point first_started_;  // Of what is measured.
  SteadyClock::duration measured_{};
};

}  // namespace

RequestBatch::RequestBatch(std::span<const std::string> requests, size_t first, size_t count) {
  std::string framed;
  for (size_t i = 0; i < count; ++i) framed += requests[(first + i) % requests.size()];
  memory_ = AlignedBuffer::Copy(AsBytes(framed));
  view_ = {
      .dtype = DataType::kBytes, .shape = {static_cast<int64_t>(count)}, .bytes = memory_.bytes()};
}

absl::StatusOr<LoopResult> RunLoops(std::span<const std::unique_ptr<Graph>> graphs,
                                    std::span<const std::string> requests,
                                    std::span<const std::string> expected,
                                    const LoopOptions& options) {
  std::vector<ThreadLoop> loops;
  for (const std::unique_ptr<Graph>& graph : graphs) {
    loops.emplace_back(*graph, requests, expected, options);
  }
  std::atomic<bool> failed = false;
  std::latch ready(static_cast<ptrdiff_t>(loops.size()));
  const absl::Duration cpu_before = ProcessCpuTime();
  {
    std::vector<std::jthread> threads;
    for (ThreadLoop& loop : loops) {
      threads.emplace_back([&] {
        ready.arrive_and_wait();
        loop.Run(failed);
      });
    }
  }
  LoopResult result;
  result.cpu_seconds = absl::ToDoubleSeconds(ProcessCpuTime() - cpu_before);
  for (const ThreadLoop& loop : loops) {
    RETURN_IF_ERROR(loop.status());
    const std::vector<int64_t>& latencies = loop.latencies();
    result.latencies_ns.insert(result.latencies_ns.end(), latencies.begin(), latencies.end());
    result.throughput += loop.throughput();
    result.total_requests += loop.total();
  }
  return result;
}

}  // namespace tiffin::bench
