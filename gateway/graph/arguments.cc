#include "gateway/graph/arguments.h"

#include <algorithm>
#include <variant>

#include "absl/strings/str_join.h"
#include "common/strings.h"
#include "gateway/graph/literal.h"
#include "gateway/graph/names.h"

namespace tiffin::gateway {
namespace {

std::string SpecText(const TensorSpec& spec) {
  return StrCat(spec.name, ": ", ToString(spec.type));
}

std::string ArgumentText(const config::Argument& argument) {
  const auto* reference = std::get_if<config::Reference>(&argument.value);
  const std::string value = reference != nullptr
                                ? ReferenceText(*reference)
                                : ToString(std::get<config::Literal>(argument.value));
  return argument.keyword.empty() ? value : StrCat(argument.keyword, "=", value);
}

std::vector<std::string> Names(std::span<const TensorSpec> specs) {
  std::vector<std::string> names;
  for (const TensorSpec& spec : specs) names.push_back(spec.name);
  return names;
}

}  // namespace

std::string CalleeText(const config::CallExpression& call) {
  return call.method.empty() ? call.callee : StrCat(call.callee, ".", call.method);
}

std::string ReferenceText(const config::Reference& reference) {
  return reference.output.empty() ? reference.name : StrCat(reference.name, ".", reference.output);
}

std::string ExpressionText(const config::CallExpression& call) {
  return StrCat(CalleeText(call), "(",
                absl::StrJoin(call.arguments, ", ",
                              [](std::string* out, const config::Argument& argument) {
                                out->append(ArgumentText(argument));
                              }),
                ")");
}

std::string SignatureText(const config::CallExpression& call, const MethodSignature& method) {
  return StrCat(
      CalleeText(call), "(",
      absl::StrJoin(method.inputs, ", ",
                    [](std::string* out, const TensorSpec& spec) { out->append(SpecText(spec)); }),
      ")");
}

std::vector<std::optional<size_t>> MatchArguments(const config::CallExpression& call,
                                                  const MethodSignature& method,
                                                  config::Diagnostics& diagnostics) {
  std::vector<std::optional<size_t>> given(method.inputs.size());
  size_t next_position = 0;
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    const config::Argument& argument = call.arguments[i];
    size_t input = next_position;
    if (argument.keyword.empty()) {
      if (next_position == method.inputs.size()) {
        diagnostics.Add(argument.location,
                        StrCat("surplus argument '", ArgumentText(argument), "'; ",
                               SignatureText(call, method), " takes ", method.inputs.size()));
        continue;
      }
      ++next_position;
    } else {
      const auto found =
          std::find_if(method.inputs.begin(), method.inputs.end(),
                       [&](const TensorSpec& spec) { return spec.name == argument.keyword; });
      if (found == method.inputs.end()) {
        diagnostics.Add(argument.location,
                        StrCat(CalleeText(call), " has no input '", argument.keyword, "'",
                               NameHint(argument.keyword, Names(method.inputs), "inputs")));
        continue;
      }
      input = static_cast<size_t>(found - method.inputs.begin());
    }
    if (given[input].has_value()) {
      // The same keyword twice has been reported where the call was read.
      if (call.arguments[*given[input]].keyword.empty()) {
        diagnostics.Add(argument.location,
                        StrCat("input '", method.inputs[input].name, "' of ", CalleeText(call),
                               " is given twice, by position and by name; remove one of them"));
      }
      continue;
    }
    given[input] = i;
  }
  std::vector<std::string> missing;
  for (size_t input = 0; input < given.size(); ++input) {
    if (!given[input].has_value()) missing.push_back(StrCat("'", method.inputs[input].name, "'"));
  }
  if (!missing.empty()) {
    diagnostics.Add(call.location, StrCat("missing argument ", absl::StrJoin(missing, ", "), " of ",
                                          SignatureText(call, method)));
  }
  return given;
}

}  // namespace tiffin::gateway
