#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/config/service.h"
#include "common/strings.h"
#include "gateway/functions/registry.h"
#include "gateway/graph/plan.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {

// Plans service files as text. Runners: image (image -> fp32[64]), model (fp32[64] -> fp32[10],
// batchable), text (two inputs, two outputs, and a second method), once (not retry_safe).
class PlanTest : public testing::Test {
 protected:
  PlanTest() {
    const ValueType features = TensorType(DataType::kFp32, {64});
    const ValueType scores = TensorType(DataType::kFp32, {10});
    AddRunner("image", {.inputs = {{"image", SingleType(ValueKind::kImage)}},
                        .outputs = {{"features", features}}});
    const MethodSignature model{
        .inputs = {{"features", features}}, .outputs = {{"scores", scores}}, .batchable = true};
    AddRunner("model", model);
    AddRunner("other", model);
    AddRunner("tokens", {.inputs = {{"text", SingleType(ValueKind::kText)},
                                    {"limit", TensorType(DataType::kInt64, {})}},
                         .outputs = {{"ids", TensorType(DataType::kInt64, {-1})},
                                     {"mask", TensorType(DataType::kInt64, {-1})}}});
    signatures["tokens"]["count"] = {.inputs = {{"text", SingleType(ValueKind::kText)}},
                                     .outputs = {{"count", TensorType(DataType::kInt64, {})}}};
    AddRunner("once", {.inputs = {{"text", SingleType(ValueKind::kText)}},
                       .outputs = {{"answer", SingleType(ValueKind::kText)}},
                       .retry_safe = false});
  }

  void AddRunner(const std::string& name, MethodSignature run) {
    signatures[name] = {{std::string(kDefaultMethod), std::move(run)}};
  }

  // Declares the runners `runners`, on one line each; the APIs start on the line after them.
  PlannedService Plan(std::initializer_list<std::string_view> runners, std::string_view apis) {
    std::string yaml = "service: demo\nrunners:\n";
    for (const std::string_view runner : runners) {
      yaml += StrCat("  ", runner, ": {backend: testing}\n");
    }
    return PlanText(StrCat(yaml, apis));
  }
  PlannedService PlanText(std::string_view yaml) {
    const config::ServiceConfig service = config::ParseService(yaml, "s.yaml", diagnostics);
    return PlanService(service, signatures, extensions, diagnostics);
  }
  // All errors, as the user sees them.
  std::string Errors() const { return diagnostics.ToString(); }

  RunnerSignatures signatures;
  Extensions extensions{.functions = BuiltinFunctions(), .apis = {}};
  config::Diagnostics diagnostics{"s.yaml"};
};

}  // namespace tiffin::gateway
