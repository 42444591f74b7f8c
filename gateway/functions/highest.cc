#include "gateway/functions/highest.h"

#include <optional>
#include <type_traits>

#include "common/strings.h"
#include "gateway/functions/elements.h"

namespace tiffin::gateway {

bool IsScores(const FunctionArgument& argument) {
  return argument.keyword.empty() && argument.type.has_value() &&
         argument.type->kind == ValueKind::kTensor && argument.type->shape.size() == 1 &&
         argument.type->shape.front() != 0 &&
         (IsInteger(argument.type->dtype) || IsFloat(argument.type->dtype));
}

absl::StatusOr<Highest> HighestOf(const std::string& name, const TensorView& row) {
  if (row.bytes.empty()) {
    return absl::InvalidArgumentError(StrCat(name, " gave no scores; at least one is needed"));
  }
  return VisitNumber(row.dtype, [&]<typename T>(std::type_identity<T>) -> absl::StatusOr<Highest> {
    const Elements<T> scores(row.bytes);
    // Compared as they are: a double can't tell large integers apart.
    std::optional<size_t> best;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (scores[i] != scores[i]) continue;  // Not a number.
      if (!best.has_value() || scores[i] > scores[*best]) best = i;
    }
    if (best.has_value()) return Highest{*best, static_cast<double>(scores[*best])};
    return absl::InvalidArgumentError(
        StrCat(name, " gave no answer: none of its ", scores.size(), " scores is a number"));
  });
}

}  // namespace tiffin::gateway
