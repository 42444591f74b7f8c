#include "gateway/functions/threshold.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "gateway/functions/arguments.h"
#include "gateway/functions/elements.h"
#include "gateway/graph/rows.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kUsage =
    "threshold(score, at=0.5) takes fp32 or fp64, one number or a tensor of one dimension, and a "
    "number of that type";

template <typename T>
std::vector<uint8_t> Reached(const Elements<T>& scores, T at) {
  std::vector<uint8_t> reached;
  reached.reserve(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) reached.push_back(scores[i] >= at ? 1 : 0);
  return reached;
}

class Threshold : public StepFunction {
 public:
  Threshold(const ValueType& type, double at)
      : dtype_(type.dtype), at_(at), output_(TensorType(DataType::kBool, type.shape)) {}

  const ValueType& output() const override { return output_; }

  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& /*context*/) const override {
    ASSIGN_OR_RETURN(const TensorView view, inputs[0].View());
    RETURN_IF_ERROR(ValidateTensor(view));
    // All rows in one go: each element is on its own.
    return NumbersValue(DataType::kBool, view.shape,
                        dtype_ == DataType::kFp32
                            ? Reached(Elements<float>(view.bytes), static_cast<float>(at_))
                            : Reached(Elements<double>(view.bytes), at_));
  }

 private:
  const DataType dtype_;
  const double at_;
  const ValueType output_;
};

// nullopt for what is not a number that `dtype` can hold.
std::optional<double> NumberOf(const FunctionArgument& argument, DataType dtype) {
  std::optional<double> number;
  if (const auto* integer = LiteralOf<int64_t>(argument)) number = static_cast<double>(*integer);
  if (const auto* real = LiteralOf<double>(argument)) number = *real;
  const double largest = dtype == DataType::kFp32
                             ? static_cast<double>(std::numeric_limits<float>::max())
                             : std::numeric_limits<double>::max();
  if (number.has_value() && std::fabs(*number) > largest) return std::nullopt;
  return number;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StepFunction>> MakeThreshold(
    std::span<const FunctionArgument> arguments) {
  if (arguments.size() != 2 || !arguments[0].keyword.empty() || !arguments[0].type.has_value() ||
      arguments[0].type->shape.size() > 1 || !IsFloat(arguments[0].type->dtype) ||
      arguments[1].keyword != "at") {
    return UsageError(kUsage, arguments);
  }
  const std::optional<double> at = NumberOf(arguments[1], arguments[0].type->dtype);
  if (!at.has_value()) return UsageError(kUsage, arguments);
  return std::make_unique<Threshold>(*arguments[0].type, *at);
}

}  // namespace tiffin::gateway
