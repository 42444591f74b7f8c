#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/async/watcher.h"
#include "gateway/dispatch/runner_pool.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tests/unit/common/async/manual_clock.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/worker/runtime/controlled_backend.h"

namespace tiffin::gateway {

// A pool of one runner on a gateway's loop, whose clock stands still unless the test moves it: so
// that no worker is ever too silent or too late for a busy machine. The workers are the test's, and
// must be destroyed before the fixture, or outlive ClosePool. The parameter is what calls travel
// on: all tests are for both carriers.
class DispatchTest : public ::testing::TestWithParam<WorkerTransport> {
 protected:
  // A call as the test sees it. All of it belongs to the loop's thread.
  struct Outcome {
    std::unique_ptr<PendingCall> pending;
    std::optional<absl::StatusOr<CallResult>> result;
    int times_done = 0;
  };
  struct CallOptions {
    int retries = 0;
    absl::Duration timeout = absl::InfiniteDuration();
  };

  explicit DispatchTest(Signature signature = worker::BytesSignature());
  ~DispatchTest() override { ClosePool(); }

  void MakePool(int replicas, int queue_max);
  // Destroys all calls and the pool.
  void ClosePool();
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }

  // The supervisor's part. Connect waits until the replica takes calls.
  void Listen(int replica, const std::string& path);
  void Connect(int replica, const std::string& path);
  void Exit(int replica, bool comes_back);

  // Moves the clock, in steps that a watchdog does not take for its own sleep.
  void Tick(absl::Duration by);

  // In the gateway's memory as a client's bytes are: in a segment, unless small.
  Outcome& Start(const std::string& input) { return Start(input, CallOptions()); }
  Outcome& Start(const std::string& input, CallOptions options);
  Outcome& StartWith(const Outcome& producer) { return StartWith(producer, CallOptions()); }
  // On the first output of a call that has ended.
  Outcome& StartWith(const Outcome& producer, CallOptions options);
  // As if a call had ended with `value`.
  Outcome& Have(Value value);
  // Cancels a call under way.
  void Abandon(Outcome& outcome);
  // Lets go of a call's outputs.
  void Forget(Outcome& outcome);

  bool IsDone(const Outcome& outcome);
  // Waits for the end; the first output's bytes, or why there is none.
  absl::StatusOr<std::string> Await(const Outcome& outcome);
  absl::Status AwaitStatus(const Outcome& outcome) { return Await(outcome).status(); }
  // Calls until the worker has room for it, or patience ends.
  [[nodiscard]] bool EventuallySucceeds(const std::string& input);

  uint64_t MemoryInUse() {
    return loop_.Do([&] { return memory_.allocated_bytes(); });
  }
  [[nodiscard]] bool AwaitMemoryInUse(uint64_t bytes) {
    return loop_.Await([&] { return memory_.allocated_bytes() == bytes; });
  }

  const std::string method_{kDefaultMethod};
  const Signature signature_;
  // They outlive what the loop still holds of sessions.
  metrics::GatewayMetrics gateway_metrics_;
  std::deque<metrics::RunnerMetrics> all_runner_metrics_;
  metrics::RunnerMetrics* runner_metrics_ = nullptr;  // Of the last pool.
  TemporaryFolder folder_;
  ManualClock clock_;
  LoopThread loop_{clock_};
  Watcher watcher_;  // After the loop, which its thread may still be in.
  // Of the loop's thread from here on.
  SegmentNames names_;
  GatewayMemory memory_{{.first_segment = 1 << 16, .largest_segment = 1 << 20, .total = 1 << 20},
                        clock_,
                        names_,
                        gateway_metrics_};
  std::atomic<uint64_t> oom_kill_count_ = 0;
  OomKills oom_kills_{[this] { return oom_kill_count_.load(); }, clock_};
  DispatchParts parts_{.loop = loop_.loop(),
                       .watcher = watcher_,
                       .names = names_,
                       .memory = memory_,
                       .oom_kills = oom_kills_,
                       .transport = GetParam()};
  std::optional<SharedRunner> shared_;
  std::unique_ptr<RunnerPool> pool_;
  std::deque<Outcome> outcomes_;
  std::vector<std::pair<int, absl::Status>> hung_;
  std::vector<std::pair<int, bool>> attached_;
  int unreachable_ = 0;
  bool elsewhere_ = false;  // Of the next pool: its workers are at addresses.

 private:
  Outcome& StartCall(Outcome& outcome, Value input, CallOptions options);
};

// For INSTANTIATE_TEST_SUITE_P.
inline const auto kTransports =
    ::testing::Values(WorkerTransport::kExpress, WorkerTransport::kGrpc);
inline std::string TransportName(const ::testing::TestParamInfo<WorkerTransport>& info) {
  return info.param == WorkerTransport::kExpress ? "Express" : "Grpc";
}

}  // namespace tiffin::gateway
