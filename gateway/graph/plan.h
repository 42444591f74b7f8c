#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/config/diagnostics.h"
#include "common/config/service.h"
#include "common/signature.h"
#include "gateway/graph/extensions.h"
#include "gateway/graph/function.h"
#include "gateway/graph/program.h"
#include "gateway/graph/value.h"

namespace tiffin::gateway {

// Where a step's argument or an API's output comes from.
struct ValueSource {
  // An index into PlannedApi::inputs or ::steps.
  enum class From { kInput, kStep } from = From::kInput;
  size_t index = 0;
  size_t output = 0;  // Of the step.

  friend bool operator==(const ValueSource&, const ValueSource&) = default;
};

// A step of a runner.
struct PlannedCall {
  std::string runner;
  std::string method;
  MethodSignature signature;
  int retries = 0;
};

// An argument of a call: a value, or a literal as one row that is repeated for each row.
using CallArgument = std::variant<ValueSource, Value>;

struct PlannedStep {
  std::string name;
  // As the service file has it, for people: "model_a.embed", and "model_a.embed(features, 3)".
  std::string callee;
  std::string expression;
  // A runner's method, or a function of the gateway.
  std::variant<PlannedCall, std::unique_ptr<StepFunction>> action;
  // Of a call: in the order of its signature. Of a function: its values only, in order.
  std::vector<CallArgument> arguments;
  std::vector<TensorSpec> outputs;  // Types of one row.
  std::optional<absl::Duration> timeout;
  // Steps that must end before this one starts, and those that wait for it. Without repeats.
  std::vector<size_t> needs;
  std::vector<size_t> feeds;

  const PlannedCall* call() const { return std::get_if<PlannedCall>(&action); }
  const StepFunction* function() const {
    auto* owned = std::get_if<std::unique_ptr<StepFunction>>(&action);
    return owned == nullptr ? nullptr : owned->get();
  }
};

struct PlannedOutput {
  TensorSpec spec;
  ValueSource source;
};

// What is written down of an API's requests.
struct PlannedMonitor {
  struct Value {
    std::string name;  // As the service file has it.
    ValueSource source;
    ValueType type;  // Of one row.
  };

  config::MonitorConfig config;
  std::vector<Value> values;
};

// An API, checked whole and ready to run. Immutable; shared by all requests.
struct PlannedApi {
  std::string service;
  std::string name;
  std::vector<TensorSpec> inputs;  // Types of one row.
  // The inputs are declared with `rows`: a request may have any number of them. Otherwise one.
  bool has_rows = false;
  // Of an API in C++: then the steps are what it may call, and when, and with what, is its own
  // business; outputs have no source.
  std::unique_ptr<const Program> program = nullptr;
  std::vector<PlannedStep> steps;  // In an order in which they can run.
  std::vector<PlannedOutput> outputs;
  absl::Duration timeout = config::kDefaultApiTimeout;
  std::optional<PlannedMonitor> monitor = {};
};

struct PlannedService {
  std::string name;
  std::filesystem::path file = {};  // Of the service, for what is kept beside it.
  std::vector<PlannedApi> apis;
};

// Runner name -> what its worker says it does.
using RunnerSignatures = std::map<std::string, Signature, std::less<>>;

// Resolves names, orders the steps, infers and checks every type. Everything wrong goes to
// `diagnostics`; the result is whole only if nothing did. Runners missing from `signatures` are
// taken as already reported, and what depends on them is not judged. APIs in C++ come last.
PlannedService PlanService(const config::ServiceConfig& service, const RunnerSignatures& signatures,
                           const Extensions& extensions, config::Diagnostics& diagnostics);

}  // namespace tiffin::gateway
