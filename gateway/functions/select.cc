#include "gateway/functions/select.h"

#include <optional>
#include <utility>

#include "common/strings.h"
#include "gateway/functions/arguments.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kUsage =
    "select(a, b, ..., index=0) takes two values or more of one type, and which of them to return, "
    "counted from 0";

class Select : public StepFunction {
 public:
  Select(ValueType type, size_t index) : type_(std::move(type)), index_(index) {}

  const ValueType& output() const override { return type_; }
  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& /*context*/) const override {
    return inputs[index_];
  }

 private:
  const ValueType type_;
  const size_t index_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<StepFunction>> MakeSelect(
    std::span<const FunctionArgument> arguments) {
  std::optional<ValueType> type;
  int64_t values = 0;
  std::optional<int64_t> index;
  for (const FunctionArgument& argument : arguments) {
    if (argument.type.has_value() && argument.keyword.empty()) {
      if (type.has_value() && *type != *argument.type) return UsageError(kUsage, arguments);
      type = argument.type;
      ++values;
      continue;
    }
    const int64_t* number =
        argument.literal.has_value() ? std::get_if<int64_t>(&argument.literal->value) : nullptr;
    if (argument.keyword != "index" || number == nullptr || index.has_value()) {
      return UsageError(kUsage, arguments);
    }
    index = *number;
  }
  if (values < 2 || !index.has_value()) return UsageError(kUsage, arguments);
  if (*index < 0 || *index >= values) {
    return absl::InvalidArgumentError(StrCat("index=", *index, " names none of its ", values,
                                             " values; write 0 to ", values - 1));
  }
  return std::make_unique<Select>(*std::move(type), static_cast<size_t>(*index));
}

}  // namespace tiffin::gateway
