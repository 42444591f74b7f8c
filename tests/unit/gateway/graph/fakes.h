#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gateway/graph/plan.h"
#include "gateway/graph/rows.h"
#include "gateway/graph/runner.h"
#include "gateway/graph/value.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {

// A runner whose calls end when the test says so.
class FakeRunner : public Runner {
 public:
  struct Started {
    Call call;
    CallDone done;
    bool ended = false;
    bool cancelled = false;

    bool pending() const { return !ended && !cancelled; }
  };

  std::unique_ptr<PendingCall> Start(Call call, CallDone done) override {
    calls_.push_back(std::make_unique<Started>());
    Started& started = *calls_.back();
    started.call = std::move(call);
    started.done = std::move(done);
    if (on_start_) on_start_(started);
    return std::make_unique<Token>(started);
  }

  int64_t calls_at_once() const override { return calls_at_once_; }
  void set_calls_at_once(int64_t count) { calls_at_once_ = count; }

  // Called for each call when it starts.
  void OnStart(std::function<void(Started&)> on_start) { on_start_ = std::move(on_start); }

  const std::vector<std::unique_ptr<Started>>& calls() const { return calls_; }
  size_t pending() const {
    size_t count = 0;
    for (const auto& call : calls_) count += call->pending() ? 1 : 0;
    return count;
  }

  static void End(Started& started, absl::StatusOr<CallResult> result) {
    ASSERT_TRUE(started.pending());
    started.ended = true;
    started.call.inputs.clear();
    CallDone done = std::move(started.done);
    done(std::move(result));
  }
  void End(size_t call, std::vector<Value> outputs) {
    CallResult result;
    result.outputs = std::move(outputs);
    End(*calls_.at(call), std::move(result));
  }
  void End(size_t call, absl::Status error) { End(*calls_.at(call), std::move(error)); }

 private:
  class Token : public PendingCall {
   public:
    explicit Token(Started& started) : started_(started) {}
    ~Token() override {
      if (started_.ended) return;
      started_.cancelled = true;
      started_.done = nullptr;
    }

   private:
    Started& started_;
  };

  std::vector<std::unique_ptr<Started>> calls_;
  std::function<void(Started&)> on_start_;
  int64_t calls_at_once_ = 1000;
};

// A function that does what the test says.
class FakeFunction : public StepFunction {
 public:
  using Body = std::function<absl::StatusOr<Value>(std::span<const Value>)>;
  FakeFunction(ValueType type, Body body) : type_(std::move(type)), body_(std::move(body)) {}
  const ValueType& output() const override { return type_; }
  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& /*context*/) const override {
    return body_(inputs);
  }

 private:
  ValueType type_;
  Body body_;
};

// int64 scalars, a row each.
inline Value Numbers(const std::vector<int64_t>& rows) {
  const std::string bytes(reinterpret_cast<const char*>(rows.data()),
                          rows.size() * sizeof(int64_t));
  return HeapValue(DataType::kInt64, {static_cast<int64_t>(rows.size())}, bytes);
}
inline std::vector<int64_t> NumbersOf(const Value& value) {
  const std::span<const int64_t> numbers = value.View()->As<int64_t>();
  return {numbers.begin(), numbers.end()};
}
inline const ValueType kNumber{ValueKind::kTensor, DataType::kInt64, {}};

inline Value Texts(const std::vector<std::string>& rows) {
  std::string framed;
  for (const std::string& row : rows) AppendBytesElement(row, framed);
  return HeapValue(DataType::kBytes, {static_cast<int64_t>(rows.size())}, framed);
}
inline std::vector<std::string> TextsOf(const Value& value) {
  std::vector<std::string> texts;
  const auto elements = ParseBytesElements(value.View()->bytes);
  for (const std::string_view text : *elements) texts.emplace_back(text);
  return texts;
}

inline ValueSource Input(size_t index) { return {ValueSource::From::kInput, index, 0}; }
inline ValueSource Step(size_t index, size_t output = 0) {
  return {ValueSource::From::kStep, index, output};
}

// Puts a plan together without a service file. All types are `kNumber` unless said otherwise.
class PlanBuilder {
 public:
  PlanBuilder() {
    plan.service = "service";
    plan.name = "api";
  }
  PlanBuilder& AddInput(ValueType type = kNumber) {
    plan.inputs.push_back({"in" + std::to_string(plan.inputs.size()), std::move(type)});
    return *this;
  }
  PlannedStep& AddCall(const std::string& name, std::vector<CallArgument> arguments,
                       size_t outputs = 1) {
    PlannedCall call{.runner = "runner_" + name, .method = "run", .signature = {}, .retries = 0};
    for (size_t i = 0; i < arguments.size(); ++i) {
      call.signature.inputs.push_back({"arg" + std::to_string(i), kNumber});
    }
    for (size_t i = 0; i < outputs; ++i) {
      call.signature.outputs.push_back({"out" + std::to_string(i), kNumber});
    }
    PlannedStep& step = AddStep(name, std::move(arguments));
    step.outputs = call.signature.outputs;
    step.action = std::move(call);
    return step;
  }
  PlannedStep& AddFunction(const std::string& name, std::vector<CallArgument> arguments,
                           FakeFunction::Body body) {
    PlannedStep& step = AddStep(name, std::move(arguments));
    step.callee = "function_" + name;
    step.outputs = {{"output", kNumber}};
    step.action = std::make_unique<FakeFunction>(kNumber, std::move(body));
    return step;
  }
  PlanBuilder& AddOutput(ValueSource source) {
    plan.outputs.push_back({{"result" + std::to_string(plan.outputs.size()), kNumber}, source});
    return *this;
  }
  static MethodSignature& SignatureOf(PlannedStep& step) {
    return std::get<PlannedCall>(step.action).signature;
  }

  PlannedApi plan;

 private:
  PlannedStep& AddStep(const std::string& name, std::vector<CallArgument> arguments) {
    PlannedStep step;
    step.name = name;
    for (const CallArgument& argument : arguments) {
      const auto* source = std::get_if<ValueSource>(&argument);
      if (source == nullptr || source->from != ValueSource::From::kStep) continue;
      auto& needs = step.needs;
      if (std::find(needs.begin(), needs.end(), source->index) != needs.end()) continue;
      needs.push_back(source->index);
      plan.steps[source->index].feeds.push_back(plan.steps.size());
    }
    step.arguments = std::move(arguments);
    plan.steps.push_back(std::move(step));
    return plan.steps.back();
  }
};

}  // namespace tiffin::gateway
