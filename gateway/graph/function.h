#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/config/literal.h"
#include "common/signature.h"
#include "common/trace_context.h"
#include "gateway/graph/value.h"

namespace tiffin::gateway {

// An argument of a function in a service file: a value whose type is known, or a literal.
struct FunctionArgument {
  std::string keyword;  // Empty for a positional one.
  // For a value: the name it carries (its runner's; the step's, if a function made it or if one
  // runner made two of them).
  std::string origin;
  std::optional<ValueType> type;
  std::optional<config::Literal> literal;  // Set just where `type` is not.
};

struct FunctionContext {
  std::string_view service;
  std::string_view api;
  std::string_view request_id;
  TraceContext trace = {};
  // Takes what the function has to say to the data log, a JSON object. Empty where there is none.
  std::function<void(std::string json)> record = {};
};

// A function bound to its arguments in one step. Runs on the loop's thread and must not block.
// Immutable: shared by all requests.
class StepFunction {
 public:
  virtual ~StepFunction() = default;
  // The type of one row of its only output.
  virtual const ValueType& output() const = 0;
  // `inputs` are the values among the arguments, in the order in which they were written; all have
  // the same number of rows, and so must the result.
  virtual absl::StatusOr<Value> Run(std::span<const Value> inputs,
                                    const FunctionContext& context) const = 0;
};

// Checks the arguments. An error says what the function takes; it reaches the user behind
// `file:line:column`.
using FunctionFactory =
    absl::StatusOr<std::unique_ptr<StepFunction>> (*)(std::span<const FunctionArgument> arguments);

// Name -> factory. Filled by functions/registry.h, used by the compiler of graphs.
using FunctionTable = std::map<std::string, FunctionFactory, std::less<>>;

}  // namespace tiffin::gateway
