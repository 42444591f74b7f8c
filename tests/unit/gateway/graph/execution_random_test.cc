// Random graphs: whatever the shape and the order in which calls end, each step runs once, after
// its inputs, and values are let go as soon as nobody needs them.
#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gateway/graph/execution.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/graph/execution_fixture.h"

namespace tiffin::gateway {
namespace {

using Random = std::mt19937_64;

size_t Below(Random& random, size_t limit) {
  return std::uniform_int_distribution<size_t>(0, limit - 1)(random);
}

// What output `output` of step `step` is, given its inputs.
int64_t Answer(size_t step, size_t output, const std::vector<int64_t>& inputs) {
  uint64_t answer = 1469598103934665603u + step * 31 + output;
  for (const int64_t input : inputs) {
    answer = (answer ^ static_cast<uint64_t>(input)) * 1099511628211u;
  }
  return static_cast<int64_t>(answer);
}

class RandomGraph : public ExecutionTest {
 public:
  explicit RandomGraph(Random& random) : random_(random) { Build(); }
  void TestBody() override {}
  void Run();

 private:
  void Build();
  void OnStepStarted(size_t step, const std::vector<int64_t>& inputs);
  std::vector<int64_t> ArgumentsOf(size_t step) const;
  void EndOne(size_t pick);
  void CheckValuesLetGo() const;
  bool StillNeeded(ValueSource value) const;
  Value Tracked(ValueSource value);
  size_t SlotOf(ValueSource value) const {
    return value.from == ValueSource::From::kInput ? value.index
                                                   : 2 + value.index * 2 + value.output;
  }

  Random& random_;
  std::vector<int> started_;
  std::vector<bool> ended_;
  std::vector<FakeRunner::Started*> pending_;
  std::vector<size_t> pending_steps_;
  // By SlotOf: what the value should be, and whether it is alive.
  std::vector<int64_t> expected_;
  std::vector<std::weak_ptr<const Buffer>> alive_;
};

Value RandomGraph::Tracked(ValueSource value) {
  Value tracked = Numbers({expected_[SlotOf(value)]});
  alive_[SlotOf(value)] = tracked.buffer;
  return tracked;
}

void RandomGraph::Build() {
  builder.AddInput().AddInput();
  const size_t count = 1 + Below(random_, 20);
  std::vector<ValueSource> values = {Input(0), Input(1)};
  expected_.resize(2 + 2 * count);
  alive_.resize(expected_.size());
  started_.resize(count, 0);
  ended_.resize(count, false);
  expected_[0] = 100;
  expected_[1] = 200;
  for (size_t step = 0; step < count; ++step) {
    std::vector<CallArgument> arguments;
    for (size_t i = 1 + Below(random_, 3); i > 0; --i) {
      arguments.emplace_back(values[Below(random_, values.size())]);
    }
    const std::string name = "s" + std::to_string(step);
    const bool is_function = Below(random_, 4) == 0;
    const size_t outputs = is_function ? 1 : 1 + Below(random_, 2);
    if (is_function) {
      builder.AddFunction(name, std::move(arguments), [this, step](std::span<const Value> inputs) {
        std::vector<int64_t> numbers;
        for (const Value& input : inputs) numbers.push_back(NumbersOf(input)[0]);
        OnStepStarted(step, numbers);
        ended_[step] = true;
        return Tracked(Step(step));
      });
    } else {
      builder.AddCall(name, std::move(arguments), outputs);
      runner("runner_" + name).OnStart([this, step](FakeRunner::Started& started) {
        std::vector<int64_t> numbers;
        for (const Value& input : started.call.inputs) numbers.push_back(NumbersOf(input)[0]);
        started.call.inputs.clear();  // From here on only the execution holds values.
        OnStepStarted(step, numbers);
        pending_.push_back(&started);
        pending_steps_.push_back(step);
      });
    }
    for (size_t output = 0; output < outputs; ++output) {
      values.push_back(Step(step, output));
      expected_[SlotOf(Step(step, output))] = Answer(step, output, ArgumentsOf(step));
    }
  }
  for (size_t i = 1 + Below(random_, 3); i > 0; --i) {
    builder.AddOutput(values[Below(random_, values.size())]);
  }
}

std::vector<int64_t> RandomGraph::ArgumentsOf(size_t step) const {
  std::vector<int64_t> numbers;
  for (const CallArgument& argument : builder.plan.steps[step].arguments) {
    numbers.push_back(expected_[SlotOf(std::get<ValueSource>(argument))]);
  }
  return numbers;
}

void RandomGraph::OnStepStarted(size_t step, const std::vector<int64_t>& inputs) {
  ++started_[step];
  for (const size_t need : builder.plan.steps[step].needs) {
    EXPECT_TRUE(ended_[need]) << "step " << step << " started before " << need << " had ended";
  }
  EXPECT_EQ(inputs, ArgumentsOf(step)) << "step " << step;
}

bool RandomGraph::StillNeeded(ValueSource value) const {
  const auto is_value = [&](const ValueSource& source) { return SlotOf(source) == SlotOf(value); };
  for (const PlannedOutput& output : builder.plan.outputs) {
    if (is_value(output.source)) return true;
  }
  for (size_t step = 0; step < started_.size(); ++step) {
    if (started_[step] > 0) continue;
    for (const CallArgument& argument : builder.plan.steps[step].arguments) {
      if (is_value(std::get<ValueSource>(argument))) return true;
    }
  }
  return false;
}

void RandomGraph::CheckValuesLetGo() const {
  for (const size_t input : {0u, 1u}) {
    EXPECT_EQ(alive_[input].expired(), !StillNeeded(Input(input))) << "input " << input;
  }
  for (size_t step = 0; step < ended_.size(); ++step) {
    if (!ended_[step]) continue;
    for (size_t output = 0; output < builder.plan.steps[step].outputs.size(); ++output) {
      const ValueSource value = Step(step, output);
      EXPECT_EQ(alive_[SlotOf(value)].expired(), !StillNeeded(value))
          << "step " << step << ", output " << output;
    }
  }
}

void RandomGraph::EndOne(size_t pick) {
  FakeRunner::Started& started = *pending_[pick];
  const size_t step = pending_steps_[pick];
  pending_.erase(pending_.begin() + static_cast<ptrdiff_t>(pick));
  pending_steps_.erase(pending_steps_.begin() + static_cast<ptrdiff_t>(pick));
  ended_[step] = true;
  CallResult answer;
  for (size_t output = 0; output < builder.plan.steps[step].outputs.size(); ++output) {
    answer.outputs.push_back(Tracked(Step(step, output)));
  }
  FakeRunner::End(started, std::move(answer));
}

void RandomGraph::Run() {
  // One in four fails, after some calls have ended.
  const bool fails = Below(random_, 4) == 0;
  size_t ends_before_failure = Below(random_, 10);
  Start({Tracked(Input(0)), Tracked(Input(1))});
  while (!pending_.empty()) {
    CheckValuesLetGo();
    const size_t pick = Below(random_, pending_.size());
    if (!fails || ends_before_failure-- > 0) {
      EndOne(pick);
      continue;
    }
    FakeRunner::Started& failing = *pending_[pick];
    FakeRunner::End(failing, absl::UnavailableError("gone"));
    ASSERT_EQ(done_calls, 1);
    EXPECT_EQ(result->status().code(), absl::StatusCode::kUnavailable);
    for (const FakeRunner::Started* other : pending_) {
      EXPECT_TRUE(other == &failing || other->cancelled);
    }
    for (const auto& value : alive_) EXPECT_TRUE(value.expired());
    return;
  }
  RunPosted();
  ASSERT_EQ(done_calls, 1);
  ASSERT_TRUE(result->ok()) << result->status();
  EXPECT_EQ(started_, std::vector<int>(started_.size(), 1));
  EXPECT_EQ(execution->timeline().size(), started_.size());
  for (size_t i = 0; i < builder.plan.outputs.size(); ++i) {
    EXPECT_EQ(NumbersOf((**result)[i])[0], expected_[SlotOf(builder.plan.outputs[i].source)]);
  }
  execution.reset();
  result.reset();
  for (const auto& value : alive_) EXPECT_TRUE(value.expired());
}

TEST(ExecutionRandomTest, AnyGraphRunsEachStepOnceAfterItsInputs) {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  Random random(seed);
  for (int graph = 0; graph < 500 && !testing::Test::HasFailure(); ++graph) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", graph " + std::to_string(graph));
    RandomGraph(random).Run();
  }
}

}  // namespace
}  // namespace tiffin::gateway
