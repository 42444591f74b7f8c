#include "gateway/graph/bound_api.h"

#include <variant>

#include "common/strings.h"

namespace tiffin::gateway {

absl::StatusOr<BoundApi> BoundApi::Create(const PlannedApi& plan,
                                          absl::FunctionRef<Runner*(const std::string&)> find) {
  BoundApi bound(plan);
  bound.first_slots_.push_back(0);
  size_t slots = plan.inputs.size();
  for (const PlannedStep& step : plan.steps) {
    Runner* runner = nullptr;
    if (const PlannedCall* call = step.call()) {
      runner = find(call->runner);
      if (runner == nullptr) {
        return absl::InternalError(StrCat("api '", plan.name, "': step '", step.name,
                                          "' has no runner '", call->runner, "'"));
      }
    }
    bound.runners_.push_back(runner);
    bound.first_slots_.push_back(slots);
    slots += step.outputs.size();
  }
  bound.readers_.resize(slots, 0);
  for (const PlannedStep& step : plan.steps) {
    for (const CallArgument& argument : step.arguments) {
      if (const auto* source = std::get_if<ValueSource>(&argument)) {
        ++bound.readers_[bound.slot(*source)];
      }
    }
  }
  if (plan.program != nullptr) return bound;
  for (const PlannedOutput& output : plan.outputs) ++bound.readers_[bound.slot(output.source)];
  return bound;
}

}  // namespace tiffin::gateway
