#include "gateway/functions/concat.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "gateway/functions/arguments.h"
#include "gateway/graph/rows.h"
#include "gateway/graph/text_rows.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kUsage =
    "concat(a, b, ...) takes two tensors or more of one dimension and one element type, or two "
    "texts or more";

class ConcatTexts : public StepFunction {
 public:
  const ValueType& output() const override { return output_; }

  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& /*context*/) const override {
    ASSIGN_OR_RETURN(std::vector<std::string> joined, ReadTextRows(inputs[0]));
    for (const Value& input : inputs.subspan(1)) {
      ASSIGN_OR_RETURN(const std::vector<std::string> texts, ReadTextRows(input));
      for (size_t row = 0; row < joined.size(); ++row) joined[row] += texts[row];
    }
    return TextRows(joined);
  }

 private:
  const ValueType output_ = SingleType(ValueKind::kText);
};

class ConcatTensors : public StepFunction {
 public:
  explicit ConcatTensors(ValueType output) : output_(std::move(output)) {}

  const ValueType& output() const override { return output_; }

  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& /*context*/) const override {
    std::vector<RowReader> readers;
    int64_t size = 0;
    for (const Value& input : inputs) {
      ASSIGN_OR_RETURN(RowReader reader, RowReader::Create(input));
      size += reader.value().shape[1];
      readers.push_back(std::move(reader));
    }
    const int64_t rows = readers.front().rows();
    std::vector<std::span<const std::byte>> pieces;
    for (int64_t row = 0; row < rows; ++row) {
      for (const RowReader& reader : readers) pieces.push_back(reader.View(row).bytes);
    }
    return HeapValue(output_.dtype, {rows, size}, pieces);
  }

 private:
  const ValueType output_;
};

// The sum; -1 where a size is open; nullopt beyond int64.
std::optional<int64_t> SumOfSizes(std::span<const FunctionArgument> arguments) {
  int64_t sum = 0;
  bool is_open = false;
  for (const FunctionArgument& argument : arguments) {
    const int64_t size = argument.type->shape.front();
    if (size == -1) {
      is_open = true;
    } else if (__builtin_add_overflow(sum, size, &sum)) {
      return std::nullopt;
    }
  }
  return is_open ? -1 : sum;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StepFunction>> MakeConcat(
    std::span<const FunctionArgument> arguments) {
  const auto is_value = [](const FunctionArgument& argument) {
    return argument.keyword.empty() && argument.type.has_value();
  };
  if (arguments.size() < 2 || !std::all_of(arguments.begin(), arguments.end(), is_value)) {
    return UsageError(kUsage, arguments);
  }
  if (std::all_of(arguments.begin(), arguments.end(), IsText)) {
    return std::make_unique<ConcatTexts>();
  }
  const DataType dtype = arguments[0].type->dtype;
  const auto fits = [dtype](const FunctionArgument& argument) {
    return argument.type->dtype == dtype && argument.type->shape.size() == 1;
  };
  if (!std::all_of(arguments.begin(), arguments.end(), fits)) return UsageError(kUsage, arguments);
  const std::optional<int64_t> size = SumOfSizes(arguments);
  if (!size.has_value()) return UsageError(kUsage, arguments);
  return std::make_unique<ConcatTensors>(TensorType(dtype, {*size}));
}

}  // namespace tiffin::gateway
