#include "tests/unit/gateway/dispatch/dispatch_fixture.h"

#include <algorithm>
#include <functional>

namespace tiffin::gateway {

DispatchTest::DispatchTest(Signature signature) : signature_(std::move(signature)) {}

void DispatchTest::MakePool(int replicas, int queue_max) {
  runner_metrics_ = &all_runner_metrics_.emplace_back(replicas, queue_max + replicas);
  loop_.Do([&] {
    shared_.emplace(replicas, queue_max, clock_, *runner_metrics_);
    pool_ = std::make_unique<RunnerPool>(
        parts_,
        RunnerPoolOptions{.name = "runner",
                          .service = "service",
                          .replicas = replicas,
                          .elsewhere = elsewhere_,
                          .queue_max = queue_max},
        *shared_,
        RunnerPool::Events{
            .changed = [] {},
            .attached = [this](int index, bool fits) { attached_.emplace_back(index, fits); },
            .hung = [this](int index, const absl::Status& why) { hung_.emplace_back(index, why); },
            .unreachable = [this] { ++unreachable_; },
        });
    names_.Listen([this](uint64_t id) { pool_->ForgetSegment(id); });
  });
}

void DispatchTest::ClosePool() {
  loop_.Do([&] {
    names_.Listen(nullptr);
    outcomes_.clear();
    pool_.reset();
  });
}

void DispatchTest::Listen(int replica, const std::string& path) {
  loop_.Do([&] { pool_->replica(replica).OnListening(path); });
}

void DispatchTest::Connect(int replica, const std::string& path) {
  Listen(replica, path);
  ASSERT_TRUE(loop_.Await([&] { return pool_->replica(replica).ready(); }));
}

void DispatchTest::Exit(int replica, bool comes_back) {
  loop_.Do([&] { pool_->replica(replica).OnExited(comes_back); });
}

void DispatchTest::Tick(absl::Duration by) {
  while (by > absl::ZeroDuration()) {
    const absl::Duration step = std::min(by, absl::Milliseconds(100));
    clock_.Advance(step);
    loop_.RunTimers();
    by -= step;
  }
}

DispatchTest::Outcome& DispatchTest::Start(const std::string& input, CallOptions options) {
  return loop_.Do([&] {
    Outcome& outcome = outcomes_.emplace_back();
    auto value =
        memory_.Copy(DataType::kUint8, {1, static_cast<int64_t>(input.size())}, AsBytes(input));
    EXPECT_TRUE(value.ok()) << value.status();
    return std::ref(StartCall(outcome, value.value_or(Value{}), options));
  });
}

DispatchTest::Outcome& DispatchTest::StartWith(const Outcome& producer, CallOptions options) {
  return loop_.Do([&] {
    Outcome& outcome = outcomes_.emplace_back();
    return std::ref(StartCall(outcome, (*producer.result)->outputs.front(), options));
  });
}

DispatchTest::Outcome& DispatchTest::StartCall(Outcome& outcome, Value input, CallOptions options) {
  Call call;
  call.method = &method_;
  call.signature = &signature_.at(method_);
  call.inputs.push_back(std::move(input));
  call.retries = options.retries;
  call.deadline = clock_.Now() + options.timeout;
  outcome.pending = pool_->Start(std::move(call), [&outcome](absl::StatusOr<CallResult> result) {
    ++outcome.times_done;
    outcome.result = std::move(result);
    outcome.pending.reset();  // And with it what it keeps for another attempt.
  });
  EXPECT_EQ(outcome.times_done, 0) << "done was called from inside Start";
  return outcome;
}

DispatchTest::Outcome& DispatchTest::Have(Value value) {
  return loop_.Do([&] {
    Outcome& outcome = outcomes_.emplace_back();
    outcome.times_done = 1;
    CallResult result;
    result.outputs.push_back(std::move(value));
    outcome.result = std::move(result);
    return std::ref(outcome);
  });
}

void DispatchTest::Abandon(Outcome& outcome) {
  loop_.Do([&] { outcome.pending.reset(); });
}

void DispatchTest::Forget(Outcome& outcome) {
  loop_.Do([&] {
    outcome.pending.reset();
    outcome.result.reset();
  });
}

bool DispatchTest::IsDone(const Outcome& outcome) {
  return loop_.Do([&] { return outcome.result.has_value(); });
}

absl::StatusOr<std::string> DispatchTest::Await(const Outcome& outcome) {
  if (!loop_.Await([&] { return outcome.result.has_value(); })) {
    return absl::UnknownError("the call did not end");
  }
  return loop_.Do([&]() -> absl::StatusOr<std::string> {
    EXPECT_EQ(outcome.times_done, 1);
    if (!outcome.result->ok()) return outcome.result->status();
    const absl::StatusOr<TensorView> view = (*outcome.result)->outputs.front().View();
    if (!view.ok()) return view.status();
    return std::string(AsStringView(view->bytes));
  });
}

bool DispatchTest::EventuallySucceeds(const std::string& input) {
  const absl::Time give_up = absl::Now() + kPatience;
  while (absl::Now() < give_up) {
    Outcome& outcome = Start(input);
    const absl::Status status = AwaitStatus(outcome);
    Forget(outcome);
    if (status.ok()) return true;
    if (!absl::IsResourceExhausted(status)) return false;
    Tick(absl::Milliseconds(5));  // Releases go by themselves after that.
  }
  return false;
}

}  // namespace tiffin::gateway
