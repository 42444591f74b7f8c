#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/clock.h"
#include "gateway/graph/bound_api.h"
#include "gateway/graph/execution.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/graph/fakes.h"

namespace tiffin::gateway {

class ManualClock : public Clock {
 public:
  absl::Time Now() const override { return now_; }
  void Advance(absl::Duration duration) { now_ += duration; }

 private:
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
};

// Runs the API that a test builds in `builder`, with a FakeRunner for each runner name.
class ExecutionTest : public testing::Test {
 protected:
  FakeRunner& runner(const std::string& name) { return runners[name]; }

  void Start(std::vector<Value> inputs, absl::Time deadline = absl::InfiniteFuture()) {
    done_calls = 0;
    auto bound = BoundApi::Create(
        builder.plan, [this](const std::string& name) -> Runner* { return &runners[name]; });
    ASSERT_TRUE(bound.ok()) << bound.status();
    bound_api.emplace(*std::move(bound));
    ExecutionOptions options;
    options.deadline = deadline;
    options.request_id = "request";
    options.clock = &clock;
    options.monitored = monitored;
    options.post = [this](absl::AnyInvocable<void()> task) { posted.push_back(std::move(task)); };
    execution = Execution::Start(*bound_api, std::move(inputs), std::move(options),
                                 [this](absl::StatusOr<std::vector<Value>> outputs) {
                                   ++done_calls;
                                   result.emplace(std::move(outputs));
                                   if (destroy_when_done) execution.reset();
                                 });
    EXPECT_EQ(done_calls, 0) << "done was called from inside Start";
  }
  void RunPosted() {
    for (auto& task : std::exchange(posted, {})) task();
  }

  PlanBuilder builder;
  ManualClock clock;
  std::map<std::string, FakeRunner> runners;
  std::optional<BoundApi> bound_api;
  std::vector<absl::AnyInvocable<void()>> posted;
  int done_calls = 0;
  bool destroy_when_done = false;
  bool monitored = false;
  std::optional<absl::StatusOr<std::vector<Value>>> result;
  std::unique_ptr<Execution> execution;  // Last: it uses all of the above.
};

}  // namespace tiffin::gateway
