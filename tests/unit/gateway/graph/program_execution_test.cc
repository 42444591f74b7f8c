#include "gateway/graph/program_execution.h"

#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gateway/graph/critical_path.h"
#include "gmock/gmock.h"
#include "tests/unit/gateway/graph/execution_fixture.h"

namespace tiffin::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

using Values = std::vector<Value>;

// A program that does what the test says. Its runners are `a` and `b`.
struct Runners {
  RunnerHandle a{0};
  RunnerHandle b{1};
};
class TestProgram : public Program {
 public:
  using Body = std::function<Task<Values>(const Runners&, const ProgramRequest&)>;
  explicit TestProgram(Body body) : body_(std::move(body)) {}
  Task<Values> Run(const ProgramRequest& request) const override {
    return body_(runners_, request);
  }

 private:
  const Runners runners_;
  const Body body_;
};

class ProgramExecutionTest : public ExecutionTest {
 protected:
  void Build(TestProgram::Body body) {
    builder.AddInput();
    builder.AddCall("a", {Input(0)});
    builder.AddCall("b", {Input(0)});
    builder.AddOutput(Input(0));
    builder.plan.program = std::make_unique<TestProgram>(std::move(body));
  }
  FakeRunner& a() { return runner("runner_a"); }
  FakeRunner& b() { return runner("runner_b"); }

  std::vector<std::string> StepNames() const {
    std::vector<std::string> names;
    for (const StepTiming& step : execution->timeline()) names.emplace_back(step.name);
    return names;
  }
};

// Calls `a` until it gives less than 10, then `b` if that is odd.
Task<Values> LoopAndBranch(const Runners& runners, const ProgramRequest& request) {
  Value value = request.inputs[0];
  do {
    value = co_await runners.a.Run(value);
  } while (NumbersOf(value)[0] >= 10);
  if (NumbersOf(value)[0] % 2 == 1) value = co_await runners.b.Run(value);
  co_return Values(1, value);
}

TEST_F(ProgramExecutionTest, LoopsAndBranches) {
  Build(LoopAndBranch);
  Start({Numbers({100})});
  ASSERT_THAT(a().calls(), SizeIs(1));
  EXPECT_THAT(NumbersOf(a().calls()[0]->call.inputs[0]), ElementsAre(100));
  clock.Advance(absl::Milliseconds(1));
  a().End(0, {Numbers({33})});
  ASSERT_THAT(a().calls(), SizeIs(2));
  clock.Advance(absl::Milliseconds(2));
  a().End(1, {Numbers({7})});
  ASSERT_THAT(b().calls(), SizeIs(1));
  clock.Advance(absl::Milliseconds(3));
  b().End(0, {Numbers({70})});

  ASSERT_EQ(done_calls, 1);
  ASSERT_TRUE(result->ok()) << result->status();
  EXPECT_THAT(NumbersOf((**result)[0]), ElementsAre(70));
  EXPECT_THAT(StepNames(), ElementsAre("a", "a", "b"));
  EXPECT_EQ(execution->timeline()[1].end - execution->timeline()[1].start, absl::Milliseconds(2));
  EXPECT_THAT(CriticalPath(builder.plan, execution->timeline()), ElementsAre(0, 1, 2));
}

Task<Values> Both(const Runners& runners, const ProgramRequest& request) {
  const auto [first, second] =
      co_await WhenAll(runners.a.Run(request.inputs[0]), runners.b.Run(request.inputs[0]));
  co_return Values(1, Numbers({NumbersOf(first)[0] - NumbersOf(second)[0]}));
}

TEST_F(ProgramExecutionTest, RunsBranchesAtTheSameTime) {
  Build(Both);
  Start({Numbers({1})});
  ASSERT_THAT(a().calls(), SizeIs(1));
  ASSERT_THAT(b().calls(), SizeIs(1));
  clock.Advance(absl::Milliseconds(1));
  b().End(0, {Numbers({2})});
  EXPECT_EQ(done_calls, 0);
  clock.Advance(absl::Milliseconds(1));
  a().End(0, {Numbers({5})});

  ASSERT_TRUE(result->ok()) << result->status();
  EXPECT_THAT(NumbersOf((**result)[0]), ElementsAre(3));
  EXPECT_THAT(CriticalPath(builder.plan, execution->timeline()), ElementsAre(0));
}

TEST_F(ProgramExecutionTest, TheFirstErrorCancelsTheOthersAndEndsTheRequest) {
  Build(Both);
  Start({Numbers({1})});
  clock.Advance(absl::Milliseconds(1));
  a().End(0, absl::InvalidArgumentError("no"));

  ASSERT_EQ(done_calls, 1);
  EXPECT_EQ(result->status(), absl::InvalidArgumentError("step 'a' (runner 'runner_a'): no"));
  EXPECT_TRUE(b().calls()[0]->cancelled);
  EXPECT_EQ(execution->timeline()[1].end - execution->timeline()[1].start, absl::Milliseconds(1));
}

Task<Values> AnyOfTwo(const Runners& runners, const ProgramRequest& request) {
  auto both =
      co_await Try(WhenAll(runners.a.Run(request.inputs[0]), runners.b.Run(request.inputs[0])));
  if (both.ok()) co_return Values(1, std::get<0>(*both));
  Value instead = co_await runners.b.Run(request.inputs[0]);
  co_return Values(1, std::move(instead));
}

TEST_F(ProgramExecutionTest, TryGivesTheErrorToTheProgram) {
  Build(AnyOfTwo);
  Start({Numbers({1})});
  a().End(0, absl::UnavailableError("gone"));
  EXPECT_TRUE(b().calls()[0]->cancelled);
  ASSERT_THAT(b().calls(), SizeIs(2));
  b().End(1, {Numbers({4})});

  ASSERT_TRUE(result->ok()) << result->status();
  EXPECT_THAT(NumbersOf((**result)[0]), ElementsAre(4));
}

// What failed lives on until the end of the expression.
Task<Values> InOneExpression(const Runners& runners, const ProgramRequest& request) {
  const Value& x = request.inputs[0];
  Value value;
  value =
      ((void)co_await Try(WhenAll(runners.a.Run(x), runners.b.Run(x))), co_await runners.b.Run(x));
  co_return Values(1, std::move(value));
}

TEST_F(ProgramExecutionTest, TheOthersAreCancelledAtOnce) {
  Build(InOneExpression);
  Start({Numbers({1})});
  a().End(0, absl::UnavailableError("gone"));
  ASSERT_THAT(b().calls(), SizeIs(2));
  EXPECT_TRUE(b().calls()[0]->cancelled);
  b().End(1, {Numbers({4})});

  ASSERT_TRUE(result->ok()) << result->status();
  EXPECT_THAT(NumbersOf((**result)[0]), ElementsAre(4));
}

Task<Value> Twice(const RunnerHandle& runner, Value value) {
  value = co_await runner.Run(std::move(value));
  co_return co_await runner.Run(std::move(value));
}

Task<Values> Nested(const Runners& runners, const ProgramRequest& request) {
  std::vector<Task<Value>> tasks;
  for (int i = 0; i < 3; ++i) tasks.push_back(Twice(runners.a, request.inputs[0]));
  const Values values = co_await WhenAll(std::move(tasks));
  const Values none = co_await WhenAll(std::vector<Task<Value>>());
  co_return Values(1, Numbers({NumbersOf(values[2])[0] + static_cast<int64_t>(none.size())}));
}

TEST_F(ProgramExecutionTest, TasksMayBeMadeOfTasks) {
  Build(Nested);
  Start({Numbers({1})});
  ASSERT_THAT(a().calls(), SizeIs(3));
  for (size_t call = 0; call < 6; ++call) a().End(call, {Numbers({static_cast<int64_t>(call)})});

  ASSERT_TRUE(result->ok()) << result->status();
  EXPECT_THAT(NumbersOf((**result)[0]), ElementsAre(5));
}

TEST_F(ProgramExecutionTest, DestroyingItCancelsItsCalls) {
  Build(Nested);
  Start({Numbers({1})});
  a().End(1, {Numbers({1})});
  execution.reset();
  EXPECT_EQ(a().pending(), 0u);
  EXPECT_EQ(done_calls, 0);
}

TEST_F(ProgramExecutionTest, MayBeDestroyedWhenItIsDone) {
  destroy_when_done = true;
  Build(Both);
  Start({Numbers({1})});
  a().End(0, {Numbers({1})});
  b().End(0, absl::InternalError("broken"));
  EXPECT_EQ(done_calls, 1);
}

Task<Values> NoCall(const Runners& /*runners*/, const ProgramRequest& request) {
  co_return request.inputs;
}

TEST_F(ProgramExecutionTest, EndsAfterStartHasReturned) {
  Build(NoCall);
  Start({Numbers({3})});
  EXPECT_EQ(done_calls, 0);
  RunPosted();
  ASSERT_TRUE(result->ok()) << result->status();
  EXPECT_THAT(NumbersOf((**result)[0]), ElementsAre(3));
}

TEST_F(ProgramExecutionTest, AnErrorOfACheckEndsTheTask) {
  Build([](const Runners&, const ProgramRequest& request) -> Task<Values> {
    co_await absl::OkStatus();
    const int64_t rows = co_await absl::StatusOr<int64_t>(request.rows);
    co_await absl::NotFoundError(std::string(static_cast<size_t>(rows) * 2000, 'x'));
    ADD_FAILURE() << "it went on";
    co_return request.inputs;
  });
  Start({Numbers({3})});
  RunPosted();
  EXPECT_EQ(result->status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(result->status().message().size(), 1024u);
}

TEST_F(ProgramExecutionTest, CodeThatThrowsFailsItsRequestOnly) {
  Build([](const Runners&, const ProgramRequest& request) -> Task<Values> {
    if (request.rows == 1) throw std::runtime_error("oh");
    co_return request.inputs;
  });
  Start({Numbers({3})});
  RunPosted();
  EXPECT_EQ(result->status(), absl::InternalError("the API's code threw an exception: oh"));
}

TEST_F(ProgramExecutionTest, OutputsAreWhatTheApiDeclares) {
  Build([](const Runners&, const ProgramRequest&) -> Task<Values> {
    co_return Values(1, Texts({"a", "b"}));
  });
  Start({Numbers({3})});
  RunPosted();
  EXPECT_THAT(std::string(result->status().message()),
              HasSubstr("gave 2 rows of bytes[] as 'result0', and declares 1 of int64[]"));
}

TEST_F(ProgramExecutionTest, InputsOfCallsAreChecked) {
  Build([](const Runners& handles, const ProgramRequest&) -> Task<Values> {
    Value text = Texts({"a"});
    Value value = co_await handles.a.Run(text);
    co_return Values(1, value);
  });
  Start({Numbers({3})});
  RunPosted();
  EXPECT_THAT(std::string(result->status().message()),
              HasSubstr("step 'a' (runner 'runner_a'): its input 'arg0' is bytes[]"));
  EXPECT_THAT(a().calls(), SizeIs(0));
}

TEST_F(ProgramExecutionTest, NothingIsStartedAfterTheDeadline) {
  Build(LoopAndBranch);
  Start({Numbers({100})}, clock.Now() + absl::Milliseconds(5));
  EXPECT_EQ(a().calls()[0]->call.deadline, clock.Now() + absl::Milliseconds(5));
  clock.Advance(absl::Milliseconds(6));
  a().End(0, {Numbers({50})});
  EXPECT_EQ(result->status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(a().calls(), SizeIs(1));
}

TEST_F(ProgramExecutionTest, ALoopWithoutAnEndIsStopped) {
  Build(LoopAndBranch);
  Start({Numbers({100})});
  for (size_t call = 0; done_calls == 0; ++call) a().End(call, {Numbers({100})});
  EXPECT_EQ(result->status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(a().calls(), SizeIs(kMaxProgramCalls));
}

}  // namespace
}  // namespace tiffin::gateway
