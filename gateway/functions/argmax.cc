#include "gateway/functions/argmax.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "gateway/functions/arguments.h"
#include "gateway/functions/elements.h"
#include "gateway/functions/highest.h"
#include "gateway/graph/rows.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kUsage =
    "argmax(scores) takes a tensor of one dimension, of integers, fp32 or fp64";

class Argmax : public StepFunction {
 public:
  explicit Argmax(std::string name) : name_(std::move(name)) {}

  const ValueType& output() const override { return output_; }

  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& /*context*/) const override {
    ASSIGN_OR_RETURN(const RowReader reader, RowReader::Create(inputs[0]));
    std::vector<int64_t> indices;
    for (int64_t row = 0; row < reader.rows(); ++row) {
      ASSIGN_OR_RETURN(const Highest highest, HighestOf(name_, reader.View(row)));
      indices.push_back(static_cast<int64_t>(highest.index));
    }
    return NumbersValue(DataType::kInt64, {reader.rows()}, indices);
  }

 private:
  const std::string name_;  // Of the scores.
  const ValueType output_ = TensorType(DataType::kInt64, {});
};

}  // namespace

absl::StatusOr<std::unique_ptr<StepFunction>> MakeArgmax(
    std::span<const FunctionArgument> arguments) {
  if (arguments.size() != 1 || !IsScores(arguments[0])) return UsageError(kUsage, arguments);
  return std::make_unique<Argmax>(arguments[0].origin);
}

}  // namespace tiffin::gateway
