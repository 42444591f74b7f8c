#include "gateway/functions/if_empty.h"

#include <string>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/functions/arguments.h"
#include "gateway/graph/text_rows.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kUsage =
    "if_empty(text, 'said then', otherwise) takes a text that may be empty, what to say then, and "
    "the text for when it is not";

class IfEmpty : public StepFunction {
 public:
  explicit IfEmpty(std::string then) : then_(std::move(then)) {}

  const ValueType& output() const override { return output_; }

  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& /*context*/) const override {
    ASSIGN_OR_RETURN(const std::vector<std::string> texts, ReadTextRows(inputs[0]));
    ASSIGN_OR_RETURN(std::vector<std::string> answers, ReadTextRows(inputs[1]));
    for (size_t row = 0; row < texts.size(); ++row) {
      if (Trim(texts[row]).empty()) answers[row] = then_;
    }
    return TextRows(answers);
  }

 private:
  const std::string then_;
  const ValueType output_ = SingleType(ValueKind::kText);
};

}  // namespace

absl::StatusOr<std::unique_ptr<StepFunction>> MakeIfEmpty(
    std::span<const FunctionArgument> arguments) {
  if (arguments.size() != 3 || !IsText(arguments[0]) || !IsText(arguments[2])) {
    return UsageError(kUsage, arguments);
  }
  for (const FunctionArgument& argument : arguments) {
    if (!argument.keyword.empty()) return UsageError(kUsage, arguments);
  }
  const std::string* then = arguments[1].literal.has_value()
                                ? std::get_if<std::string>(&arguments[1].literal->value)
                                : nullptr;
  if (then == nullptr) return UsageError(kUsage, arguments);
  return std::make_unique<IfEmpty>(*then);
}

}  // namespace tiffin::gateway
