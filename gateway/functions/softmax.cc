#include "gateway/functions/softmax.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "gateway/functions/arguments.h"
#include "gateway/functions/elements.h"
#include "gateway/graph/rows.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kUsage = "softmax(scores) takes a tensor of one dimension, fp32 or fp64";

// Appends the probabilities of one row.
template <typename T>
void AppendSoftmax(const Elements<T>& scores, std::vector<T>& out) {
  double highest = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < scores.size(); ++i) highest = std::max<double>(highest, scores[i]);
  // Relative to the highest no power is above 1. NaN and inf - inf make the sum NaN.
  const auto power = [&](size_t i) { return std::exp(static_cast<double>(scores[i]) - highest); };
  double sum = 0;
  for (size_t i = 0; i < scores.size(); ++i) sum += power(i);
  for (size_t i = 0; i < scores.size(); ++i) out.push_back(static_cast<T>(power(i) / sum));
}

template <typename T>
Value SoftmaxOf(const RowReader& reader) {
  std::vector<T> probabilities;
  for (int64_t row = 0; row < reader.rows(); ++row) {
    AppendSoftmax(Elements<T>(reader.View(row).bytes), probabilities);
  }
  return NumbersValue(reader.value().dtype, reader.value().shape, probabilities);
}

class Softmax : public StepFunction {
 public:
  explicit Softmax(ValueType type) : type_(std::move(type)) {}

  const ValueType& output() const override { return type_; }

  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& /*context*/) const override {
    ASSIGN_OR_RETURN(const RowReader reader, RowReader::Create(inputs[0]));
    return type_.dtype == DataType::kFp32 ? SoftmaxOf<float>(reader) : SoftmaxOf<double>(reader);
  }

 private:
  const ValueType type_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<StepFunction>> MakeSoftmax(
    std::span<const FunctionArgument> arguments) {
  if (arguments.size() != 1 || !arguments[0].keyword.empty() || !arguments[0].type.has_value() ||
      arguments[0].type->shape.size() != 1 || !IsFloat(arguments[0].type->dtype)) {
    return UsageError(kUsage, arguments);
  }
  return std::make_unique<Softmax>(*arguments[0].type);
}

}  // namespace tiffin::gateway
