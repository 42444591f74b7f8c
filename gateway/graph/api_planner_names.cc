// The part of ApiPlanner that finds what names stand for.
#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_join.h"
#include "common/strings.h"
#include "gateway/graph/api_planner.h"
#include "gateway/graph/arguments.h"
#include "gateway/graph/names.h"

namespace tiffin::gateway {
namespace {

template <typename Named>
std::vector<std::string> NamesOf(const std::vector<Named>& all) {
  std::vector<std::string> names;
  for (const Named& one : all) names.push_back(one.name);
  return names;
}

std::vector<std::string> KeysOf(const auto& map) {
  std::vector<std::string> keys;
  for (const auto& entry : map) keys.push_back(entry.first);
  return keys;
}

// "features.ids or features.mask"
std::string DottedOutputs(const std::string& step, const std::vector<TensorSpec>& outputs) {
  return absl::StrJoin(outputs, " or ", [&](std::string* out, const TensorSpec& spec) {
    out->append(StrCat(step, ".", spec.name));
  });
}

}  // namespace

const ApiPlanner::Draft* ApiPlanner::FindStep(std::string_view name) const {
  const auto found = std::find_if(drafts_.begin(), drafts_.end(),
                                  [&](const Draft& draft) { return draft.config->name == name; });
  return found == drafts_.end() ? nullptr : &*found;
}

std::vector<std::string> ApiPlanner::ValueNames() const {
  std::vector<std::string> names = NamesOf(api_.inputs);
  for (const Draft& draft : drafts_) names.push_back(draft.config->name);
  return names;
}

void ApiPlanner::ResolveCallee(Draft& draft) {
  const config::StepConfig& config = *draft.config;
  const config::CallExpression& call = config.call;
  draft.step.name = config.name;
  draft.step.callee = CalleeText(call);
  draft.step.expression = ExpressionText(call);
  draft.step.timeout = config.timeout;
  if (call.callee.empty()) return;  // It could not be read, which has been reported.

  if (around_.service.FindRunner(call.callee) != nullptr) {
    const auto signature = around_.signatures.find(call.callee);
    if (signature != around_.signatures.end()) ResolveMethod(draft, signature->second);
    return;
  }
  const auto function = around_.functions.find(call.callee);
  if (function == around_.functions.end()) {
    std::vector<std::string> known = NamesOf(around_.service.runners);
    for (std::string& name : KeysOf(around_.functions)) known.push_back(std::move(name));
    Report(call.location, StrCat("unknown runner or function '", call.callee, "'",
                                 NameHint(call.callee, known, "runners and functions")));
    return;
  }
  draft.factory = function->second;
  if (!call.method.empty()) {
    Report(call.location, StrCat("'", call.callee, "' is a function and has no methods; write ",
                                 call.callee, "(...)"));
  }
  if (config.retries.has_value()) {
    Report(config.retries_location,
           StrCat("step '", config.name, "': the function '", call.callee,
                  "' runs inside the gateway and is never retried; remove `retries`"));
  }
  if (config.timeout.has_value()) {
    Report(config.location, StrCat("step '", config.name, "': the function '", call.callee,
                                   "' runs inside the gateway, without waiting; remove `timeout`"));
  }
}

void ApiPlanner::ResolveMethod(Draft& draft, const Signature& signature) {
  const config::StepConfig& config = *draft.config;
  const config::CallExpression& call = config.call;
  const std::string method = call.method.empty() ? std::string(kDefaultMethod) : call.method;
  const auto found = signature.find(method);
  if (found == signature.end()) {
    Report(call.location,
           call.method.empty()
               ? StrCat("runner '", call.callee, "' has no method '", method, "'; write ",
                        absl::StrJoin(KeysOf(signature), " or ",
                                      [&](std::string* out, const std::string& name) {
                                        out->append(StrCat(call.callee, ".", name, "(...)"));
                                      }))
               : StrCat("runner '", call.callee, "' has no method '", method, "'",
                        NameHint(method, KeysOf(signature), "methods")));
    return;
  }
  draft.method = &found->second;
  draft.outputs = found->second.outputs;
  const bool retry_safe = found->second.retry_safe;
  if (!retry_safe && config.retries.value_or(0) > 0) {
    Report(config.retries_location,
           StrCat("step '", config.name, "': ", draft.step.callee,
                  " may not be run twice for one request (it is not retry_safe); remove `retries`, "
                  "or declare the method retry_safe"));
  }
  draft.step.outputs = found->second.outputs;
  draft.step.action = PlannedCall{.runner = call.callee,
                                  .method = method,
                                  .signature = found->second,
                                  .retries = config.retries.value_or(retry_safe ? 1 : 0)};
}

void ApiPlanner::ResolveArguments(Draft& draft) {
  for (const config::Argument& argument : draft.config->call.arguments) {
    std::optional<ValueSource> source;
    if (const auto* reference = std::get_if<config::Reference>(&argument.value)) {
      source = ResolveReference(*reference, argument.location);
    }
    draft.sources.push_back(source);
    if (!source.has_value() || source->from != ValueSource::From::kStep) continue;
    std::vector<size_t>& needs = draft.step.needs;
    if (std::find(needs.begin(), needs.end(), source->index) == needs.end()) {
      needs.push_back(source->index);
    }
  }
}

std::optional<ValueSource> ApiPlanner::ResolveReference(const config::Reference& reference,
                                                        config::Location location) {
  for (size_t i = 0; i < api_.inputs.size(); ++i) {
    if (api_.inputs[i].name != reference.name) continue;
    used_inputs_[i] = true;
    if (!reference.output.empty()) {
      Report(location, StrCat("'", reference.name, "' is an input, which is one value; write ",
                              reference.name));
    }
    return ValueSource{ValueSource::From::kInput, i, 0};
  }
  if (const Draft* found = FindStep(reference.name)) {
    const auto index = static_cast<size_t>(found - drafts_.data());
    drafts_[index].used = true;
    return ValueSource{ValueSource::From::kStep, index, ResolveOutput(reference, *found, location)};
  }
  const bool is_callee = around_.service.FindRunner(reference.name) != nullptr ||
                         around_.functions.contains(reference.name);
  Report(location, StrCat("unknown value '", reference.name, "'",
                          is_callee ? "; it is no step: give it one (`x: " + reference.name +
                                          "(...)`) and write the step's name"
                                    : NameHint(reference.name, ValueNames(), "values")));
  return std::nullopt;
}

std::optional<ValueSource> ApiPlanner::ResolveMonitored(const config::MonitorValue& value,
                                                        const std::vector<PlannedOutput>& outputs) {
  const std::string& name = value.reference.name;
  const auto output = std::find_if(outputs.begin(), outputs.end(), [&](const PlannedOutput& other) {
    return other.spec.name == name;
  });
  const std::vector<std::string> values = ValueNames();
  const bool is_value = std::find(values.begin(), values.end(), name) != values.end();
  if (output == outputs.end() || (is_value && !value.reference.output.empty())) {
    return ResolveReference(value.reference, value.location);
  }
  if (!value.reference.output.empty()) {
    Report(value.location, StrCat("'", name, "' is an output, which is one value; write ", name));
    return std::nullopt;
  }
  if (!is_value) return output->source;
  const std::optional<ValueSource> source = ResolveReference(value.reference, value.location);
  if (source.has_value() && *source != output->source) {
    Report(value.location, StrCat("'", name, "' is an output and another value too; rename one"));
  }
  return source;
}

size_t ApiPlanner::ResolveOutput(const config::Reference& reference, const Draft& draft,
                                 config::Location location) {
  if (draft.factory != nullptr) {
    if (!reference.output.empty()) {
      Report(location, StrCat("step '", reference.name,
                              "' is a function's, which has one value; "
                              "write ",
                              reference.name));
    }
    return 0;
  }
  if (!draft.outputs.has_value()) return 0;
  const std::vector<TensorSpec>& outputs = *draft.outputs;
  if (reference.output.empty()) {
    if (outputs.size() > 1) {
      Report(location, StrCat("step '", reference.name, "' has ", outputs.size(),
                              " outputs; write ", DottedOutputs(reference.name, outputs)));
    }
    return 0;
  }
  const auto found = std::find_if(outputs.begin(), outputs.end(), [&](const TensorSpec& spec) {
    return spec.name == reference.output;
  });
  if (found != outputs.end()) return static_cast<size_t>(found - outputs.begin());
  Report(location, StrCat("step '", reference.name, "' has no output '", reference.output, "'",
                          NameHint(reference.output, NamesOf(outputs), "outputs")));
  return 0;
}

}  // namespace tiffin::gateway
