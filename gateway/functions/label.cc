#include "gateway/functions/label.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/functions/arguments.h"
#include "gateway/functions/elements.h"
#include "gateway/functions/highest.h"
#include "gateway/graph/rows.h"
#include "gateway/graph/text_rows.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kUsage =
    "label(index, ['a', 'b']) takes an index, int64[] or int32[], or scores, a tensor of one "
    "dimension, of integers, fp32 or fp64; and a list of texts, one for each index";

class Label : public StepFunction {
 public:
  Label(std::string name, std::vector<std::string> labels)
      : name_(std::move(name)), labels_(std::move(labels)) {}

  const ValueType& output() const override { return output_; }

  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& /*context*/) const override {
    ASSIGN_OR_RETURN(const RowReader reader, RowReader::Create(inputs[0]));
    std::vector<std::string> texts;
    for (int64_t row = 0; row < reader.rows(); ++row) {
      ASSIGN_OR_RETURN(const size_t index, IndexOf(reader.View(row)));
      texts.push_back(labels_[index]);
    }
    return TextRows(texts);
  }

 private:
  // Of a label.
  absl::StatusOr<size_t> IndexOf(const TensorView& row) const {
    if (!row.shape.empty()) {
      // What the plan left open is known now.
      if (static_cast<size_t>(row.shape.front()) != labels_.size()) {
        return absl::InvalidArgumentError(StrCat(name_, " gave ", row.shape.front(),
                                                 " scores, and there are ", labels_.size(),
                                                 " labels"));
      }
      ASSIGN_OR_RETURN(const Highest highest, HighestOf(name_, row));
      return highest.index;
    }
    const int64_t index = row.dtype == DataType::kInt32 ? Elements<int32_t>(row.bytes)[0]
                                                        : Elements<int64_t>(row.bytes)[0];
    if (index < 0 || static_cast<uint64_t>(index) >= labels_.size()) {
      return absl::InvalidArgumentError(StrCat(name_, " gave the index ", index,
                                               ", which has no label; there are ", labels_.size(),
                                               ", from 0"));
    }
    return static_cast<size_t>(index);
  }

  const std::string name_;  // Of the index or the scores.
  const std::vector<std::string> labels_;
  const ValueType output_ = SingleType(ValueKind::kText);
};

bool IsIndex(const FunctionArgument& argument) {
  return argument.keyword.empty() && argument.type.has_value() && argument.type->shape.empty() &&
         (argument.type->dtype == DataType::kInt32 || argument.type->dtype == DataType::kInt64);
}

// Empty for what is not a list of texts.
std::vector<std::string> LabelsOf(const FunctionArgument& argument) {
  const auto* list = LiteralOf<std::vector<config::Literal>>(argument);
  if (list == nullptr || !argument.keyword.empty()) return {};
  std::vector<std::string> labels;
  for (const config::Literal& literal : *list) {
    const auto* text = std::get_if<std::string>(&literal.value);
    if (text == nullptr) return {};
    labels.push_back(*text);
  }
  return labels;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StepFunction>> MakeLabel(
    std::span<const FunctionArgument> arguments) {
  if (arguments.size() != 2 || (!IsIndex(arguments[0]) && !IsScores(arguments[0]))) {
    return UsageError(kUsage, arguments);
  }
  std::vector<std::string> labels = LabelsOf(arguments[1]);
  if (labels.empty()) return UsageError(kUsage, arguments);
  const int64_t scores = IsIndex(arguments[0]) ? -1 : arguments[0].type->shape.front();
  if (scores != -1 && static_cast<size_t>(scores) != labels.size()) {
    return absl::InvalidArgumentError(StrCat(arguments[0].origin, " gives ", scores,
                                             " scores, and there are ", labels.size(),
                                             " labels; write one for each"));
  }
  return std::make_unique<Label>(arguments[0].origin, std::move(labels));
}

}  // namespace tiffin::gateway
