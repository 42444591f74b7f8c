#include "gateway/graph/api_planner.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_join.h"
#include "common/strings.h"
#include "gateway/graph/arguments.h"
#include "gateway/graph/literal.h"
#include "gateway/graph/order.h"

namespace tiffin::gateway {
namespace {

// The name of a function's only output.
constexpr std::string_view kFunctionOutput = "output";

}  // namespace

ApiPlanner::ApiPlanner(const Surroundings& surroundings, const config::ApiConfig& api)
    : around_(surroundings), api_(api), used_inputs_(api.inputs.size(), false) {
  drafts_.resize(api.steps.size());
  for (size_t i = 0; i < drafts_.size(); ++i) drafts_[i].config = &api.steps[i];
}

PlannedApi ApiPlanner::Plan() {
  CheckRows();
  for (Draft& draft : drafts_) ResolveCallee(draft);
  for (Draft& draft : drafts_) ResolveArguments(draft);
  const std::vector<size_t> order = OrderDrafts();
  for (const size_t index : order) {
    Draft& draft = drafts_[index];
    if (draft.method != nullptr) BindCall(draft);
    if (draft.factory != nullptr) BindFunction(draft);
  }

  PlannedApi plan{.service = around_.service.name,
                  .name = api_.name,
                  .inputs = {},
                  .has_rows = !api_.inputs.empty() && api_.inputs.front().has_rows,
                  .steps = {},
                  .outputs = PlanOutputs(),
                  .timeout = api_.timeout};
  CheckUnused();
  plan.monitor = PlanMonitor(plan.outputs);  // To be written down is no use.

  // From here on steps are counted in their order.
  std::vector<size_t> place(drafts_.size());
  for (size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
  const auto relocate = [&](ValueSource& source) {
    if (source.from == ValueSource::From::kStep) source.index = place[source.index];
  };
  for (const config::InputConfig& input : api_.inputs) {
    plan.inputs.push_back(TensorSpec{input.name, input.type});
  }
  for (const size_t index : order) {
    PlannedStep& step = drafts_[index].step;
    for (CallArgument& argument : step.arguments) {
      if (auto* source = std::get_if<ValueSource>(&argument)) relocate(*source);
    }
    for (size_t& need : step.needs) need = place[need];
    std::sort(step.needs.begin(), step.needs.end());
    plan.steps.push_back(std::move(step));
  }
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    for (const size_t need : plan.steps[i].needs) plan.steps[need].feeds.push_back(i);
  }
  for (PlannedOutput& output : plan.outputs) relocate(output.source);
  if (plan.monitor.has_value()) {
    for (PlannedMonitor::Value& value : plan.monitor->values) relocate(value.source);
  }
  return plan;
}

void ApiPlanner::CheckRows() {
  const auto with_rows =
      std::find_if(api_.inputs.begin(), api_.inputs.end(),
                   [](const config::InputConfig& input) { return input.has_rows; });
  for (const config::InputConfig& input : api_.inputs) {
    // One without a type could not be read, and may have had them.
    if (with_rows != api_.inputs.end() && !input.has_rows &&
        input.type.dtype != DataType::kInvalid) {
      Report(
          input.location,
          StrCat("input '", input.name, "' is declared without rows, but '", with_rows->name,
                 "' with them; declare `rows` as the first dimension of all inputs, or of none"));
    }
  }
}

std::vector<size_t> ApiPlanner::OrderDrafts() {
  std::vector<std::vector<size_t>> needs;
  for (const Draft& draft : drafts_) needs.push_back(draft.step.needs);
  StepOrder order = OrderSteps(needs);
  for (const std::vector<size_t>& cycle : order.cycles) {
    const config::StepConfig& first = *drafts_[cycle.front()].config;
    if (cycle.size() == 1) {
      Report(first.location, StrCat("step '", first.name, "' takes its own value; name another"));
      continue;
    }
    const std::string path = absl::StrJoin(cycle, " -> ", [&](std::string* out, size_t step) {
      out->append(drafts_[step].config->name);
    });
    Report(first.location, StrCat("the steps go round in a cycle: ", path, " -> ", first.name,
                                  "; one of them must not need the one before it"));
  }
  return std::move(order.order);
}

std::optional<ValueType> ApiPlanner::TypeOf(const ValueSource& source) const {
  if (source.from == ValueSource::From::kInput) {
    const ValueType& type = api_.inputs[source.index].type;
    if (type.dtype == DataType::kInvalid) return std::nullopt;  // It could not be read.
    return type;
  }
  const auto& outputs = drafts_[source.index].outputs;
  if (!outputs.has_value() || source.output >= outputs->size()) return std::nullopt;
  return (*outputs)[source.output].type;
}

void ApiPlanner::BindCall(Draft& draft) {
  const config::CallExpression& call = draft.config->call;
  const std::vector<std::optional<size_t>> given =
      MatchArguments(call, *draft.method, around_.diagnostics);
  for (size_t input = 0; input < given.size(); ++input) {
    if (!given[input].has_value()) continue;
    const TensorSpec& spec = draft.method->inputs[input];
    const config::Argument& argument = call.arguments[*given[input]];
    if (const auto* literal = std::get_if<config::Literal>(&argument.value)) {
      absl::StatusOr<Value> value = LiteralValue(*literal, spec.type);
      if (!value.ok()) {
        Report(argument.location, StrCat("input '", spec.name, "' of ", draft.step.callee, ": ",
                                         Message(value.status())));
        continue;
      }
      draft.step.arguments.emplace_back(*std::move(value));
      continue;
    }
    const std::optional<ValueSource>& source = draft.sources[*given[input]];
    if (!source.has_value()) continue;
    draft.step.arguments.emplace_back(*source);
    const std::optional<ValueType> type = TypeOf(*source);
    if (!type.has_value() || IsAssignable(*type, spec.type)) continue;
    Report(argument.location,
           StrCat("'", ReferenceText(std::get<config::Reference>(argument.value)), "' is ",
                  ToString(*type), ", but ", draft.step.callee, " takes ", ToString(spec.type),
                  " as '", spec.name,
                  "'; give it another value, or a step between them that "
                  "converts it"));
  }
}

std::string ApiPlanner::Origin(const Draft& draft, size_t argument) const {
  const ValueSource& source = *draft.sources[argument];
  if (source.from == ValueSource::From::kInput) return api_.inputs[source.index].name;
  const Draft& maker = drafts_[source.index];
  if (!maker.HasRunner()) return maker.config->name;
  const std::string& runner = maker.config->call.callee;
  bool same_runner = false;
  bool same_step = false;
  for (const std::optional<ValueSource>& other : draft.sources) {
    if (!other.has_value() || other->from != ValueSource::From::kStep) continue;
    const Draft& other_maker = drafts_[other->index];
    if (other->index == source.index) {
      same_step |= other->output != source.output;
    } else {
      same_runner |= other_maker.HasRunner() && other_maker.config->call.callee == runner;
    }
  }
  if (same_step) {
    return StrCat(maker.config->name, ".", (*maker.outputs)[source.output].name);
  }
  return same_runner ? maker.config->name : runner;
}

std::vector<FunctionArgument> ApiPlanner::FunctionArguments(const Draft& draft) const {
  std::vector<FunctionArgument> arguments;
  const auto& written = draft.config->call.arguments;
  for (size_t i = 0; i < written.size(); ++i) {
    FunctionArgument& argument = arguments.emplace_back();
    argument.keyword = written[i].keyword;
    if (const auto* literal = std::get_if<config::Literal>(&written[i].value)) {
      argument.literal = *literal;
      continue;
    }
    argument.origin = Origin(draft, i);
    argument.type = TypeOf(*draft.sources[i]);
  }
  return arguments;
}

void ApiPlanner::BindFunction(Draft& draft) {
  const config::CallExpression& call = draft.config->call;
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    if (std::holds_alternative<config::Literal>(call.arguments[i].value)) continue;
    const std::optional<ValueSource>& source = draft.sources[i];
    if (!source.has_value() || !TypeOf(*source).has_value()) return;  // Reported elsewhere.
    draft.step.arguments.emplace_back(*source);
  }
  auto function = draft.factory(FunctionArguments(draft));
  if (!function.ok()) {
    Report(call.location, StrCat(call.callee, ": ", Message(function.status())));
    return;
  }
  draft.outputs = {TensorSpec{std::string(kFunctionOutput), (*function)->output()}};
  draft.step.outputs = *draft.outputs;
  draft.step.action = *std::move(function);
}

std::vector<PlannedOutput> ApiPlanner::PlanOutputs() {
  std::vector<PlannedOutput> outputs;
  for (const config::OutputConfig& output : api_.outputs) {
    const std::optional<ValueSource> source = ResolveReference(output.value, output.location);
    if (!source.has_value()) continue;
    PlannedOutput& planned = outputs.emplace_back();
    planned.spec.name = output.name;
    if (std::optional<ValueType> type = TypeOf(*source)) planned.spec.type = *std::move(type);
    planned.source = *source;
  }
  return outputs;
}

std::optional<PlannedMonitor> ApiPlanner::PlanMonitor(const std::vector<PlannedOutput>& outputs) {
  if (!api_.monitor.has_value()) return std::nullopt;
  PlannedMonitor monitor{.config = *api_.monitor, .values = {}};
  for (const config::MonitorValue& value : api_.monitor->values) {
    const std::optional<ValueSource> source = ResolveMonitored(value, outputs);
    if (!source.has_value()) continue;
    monitor.values.push_back({.name = ReferenceText(value.reference),
                              .source = *source,
                              .type = TypeOf(*source).value_or(ValueType{})});
  }
  return monitor;
}

void ApiPlanner::CheckUnused() {
  // What could not be read may have used anything.
  const bool all_read = std::none_of(drafts_.begin(), drafts_.end(), [](const Draft& draft) {
    return draft.config->call.callee.empty();
  });
  if (!all_read || (api_.outputs.empty() && !api_.steps.empty())) return;
  for (const Draft& draft : drafts_) {
    if (draft.used) continue;
    Report(draft.config->location, StrCat("step '", draft.config->name,
                                          "' is unused; remove it, or return it under `output`"));
  }
  for (size_t i = 0; i < api_.inputs.size(); ++i) {
    if (used_inputs_[i]) continue;
    Report(api_.inputs[i].location,
           StrCat("input '", api_.inputs[i].name, "' is unused; remove it, or give it to a step"));
  }
}

}  // namespace tiffin::gateway
