#include "gateway/functions/compare.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/log/log.h"
#include "common/log/request_fields.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/functions/arguments.h"
#include "gateway/functions/elements.h"
#include "gateway/functions/highest.h"
#include "gateway/graph/rows.h"
#include "gateway/graph/text_rows.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kUsage =
    "compare(a, b) takes the scores of two models: tensors of one dimension and equal length, fp32 "
    "or fp64";

class Compare : public StepFunction {
 public:
  explicit Compare(std::array<std::string, 2> names) : names_(std::move(names)) {}

  const ValueType& output() const override { return output_; }

  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& context) const override {
    ASSIGN_OR_RETURN(const RowReader a, RowReader::Create(inputs[0]));
    ASSIGN_OR_RETURN(const RowReader b, RowReader::Create(inputs[1]));
    // What the plan left open is known now.
    if (a.value().shape != b.value().shape) {
      return absl::InvalidArgumentError(StrCat("the scores to compare differ in shape: ", names_[0],
                                               " gave ", ShapeToString(a.value().shape), " and ",
                                               names_[1], " ", ShapeToString(b.value().shape)));
    }
    std::vector<std::string> texts;
    for (int64_t row = 0; row < a.rows(); ++row) {
      ASSIGN_OR_RETURN(const Highest first, HighestOf(names_[0], a.View(row)));
      ASSIGN_OR_RETURN(const Highest second, HighestOf(names_[1], b.View(row)));
      Log(context, first, second);
      texts.push_back(Text(first, second));
    }
    return TextRows(texts);
  }

 private:
  std::string Text(const Highest& first, const Highest& second) const {
    const std::string both = absl::StrFormat("%s %d %.2f, %s %d %.2f", names_[0], first.index,
                                             first.score, names_[1], second.index, second.score);
    return first.index == second.index ? StrCat(first.index, " (agree: ", both, ")")
                                       : StrCat("disagree: ", both);
  }

  void Log(const FunctionContext& context, const Highest& first, const Highest& second) const {
    const auto add = [&](log::Fields& fields) {
      fields.Add({"names", nlohmann::json(names_)});
      fields.Add({"answers", nlohmann::json{first.index, second.index}});
      fields.Add({"scores", nlohmann::json{first.score, second.score}});
      fields.Add({"agree", first.index == second.index});
    };
    if (log::Enabled(log::Level::kInfo)) {
      log::Fields fields = log::RequestFields(context.request_id, context.trace);
      fields.Add({"service", context.service});
      fields.Add({"api", context.api});
      add(fields);
      log::Record(log::Level::kInfo, "compare", fields);
    }
    if (context.record) {
      log::Fields fields = {{"event", "compare"}};
      add(fields);
      context.record(StrCat("{", fields.json(), "}"));
    }
  }

  const std::array<std::string, 2> names_;
  const ValueType output_ = SingleType(ValueKind::kText);
};

bool IsFloatScores(const FunctionArgument& argument) {
  return IsScores(argument) && IsFloat(argument.type->dtype);
}

}  // namespace

absl::StatusOr<std::unique_ptr<StepFunction>> MakeCompare(
    std::span<const FunctionArgument> arguments) {
  if (arguments.size() != 2 || !IsFloatScores(arguments[0]) || !IsFloatScores(arguments[1])) {
    return UsageError(kUsage, arguments);
  }
  const int64_t a = arguments[0].type->shape.front();
  const int64_t b = arguments[1].type->shape.front();
  if (a != b && a != -1 && b != -1) return UsageError(kUsage, arguments);
  return std::make_unique<Compare>(std::array{arguments[0].origin, arguments[1].origin});
}

}  // namespace tiffin::gateway
