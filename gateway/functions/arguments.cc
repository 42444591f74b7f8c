#include "gateway/functions/arguments.h"

#include "absl/strings/str_join.h"
#include "common/strings.h"
#include "gateway/graph/literal.h"

namespace tiffin::gateway {

std::string ArgumentsText(std::span<const FunctionArgument> arguments) {
  return absl::StrJoin(arguments, ", ", [](std::string* out, const FunctionArgument& argument) {
    if (!argument.keyword.empty()) out->append(StrCat(argument.keyword, "="));
    out->append(argument.type.has_value() ? StrCat(argument.origin, ": ", ToString(*argument.type))
                                          : ToString(*argument.literal));
  });
}

bool IsText(const FunctionArgument& argument) {
  return argument.type.has_value() && IsAssignable(*argument.type, SingleType(ValueKind::kText));
}

absl::Status UsageError(std::string_view usage, std::span<const FunctionArgument> arguments) {
  return absl::InvalidArgumentError(
      StrCat(usage, "; it is given (", ArgumentsText(arguments), ")"));
}

}  // namespace tiffin::gateway
