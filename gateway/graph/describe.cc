#include "gateway/graph/describe.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

// "image: image, text: text"
template <typename Items, typename GetSpec>
std::string SpecsText(const Items& items, bool has_rows, GetSpec spec_of) {
  return absl::StrJoin(items, ", ", [&](std::string* out, const auto& item) {
    const TensorSpec& spec = spec_of(item);
    out->append(StrCat(spec.name, ": ", ToString(spec.type), has_rows ? " per row" : ""));
  });
}

std::string OutputsText(const PlannedStep& step) {
  if (step.function() != nullptr) return ToString(step.outputs.front().type);
  return SpecsText(
      step.outputs, false, [](const TensorSpec& spec) -> auto& { return spec; });
}

std::string StepText(const PlannedStep& step, bool has_rows) {
  std::string text = StrCat(step.name, " = ", step.expression, " -> ", OutputsText(step));
  const PlannedCall* call = step.call();
  if (call == nullptr) return StrCat(text, "  (in the gateway)");
  std::vector<std::string> notes;
  if (has_rows) notes.push_back(call->signature.batchable ? "all rows at once" : "row by row");
  if (step.timeout.has_value()) {
    notes.push_back(StrCat("timeout ", absl::FormatDuration(*step.timeout)));
  }
  if (call->retries != 1) notes.push_back(StrCat("retries ", call->retries));
  return notes.empty() ? text : StrCat(text, "  (", absl::StrJoin(notes, ", "), ")");
}

// Steps by the length of the longest way to them.
std::vector<std::vector<size_t>> Waves(const PlannedApi& api) {
  std::vector<size_t> wave_of(api.steps.size(), 0);
  std::vector<std::vector<size_t>> waves;
  for (size_t i = 0; i < api.steps.size(); ++i) {
    for (const size_t need : api.steps[i].needs) {
      wave_of[i] = std::max(wave_of[i], wave_of[need] + 1);
    }
    if (wave_of[i] >= waves.size()) waves.resize(wave_of[i] + 1);
    waves[wave_of[i]].push_back(i);
  }
  return waves;
}

std::string MonitorText(const PlannedMonitor& monitor) {
  const config::MonitorConfig& config = monitor.config;
  const std::string values = absl::StrJoin(
      monitor.values, ", ",
      [](std::string* out, const PlannedMonitor::Value& value) { out->append(value.name); });
  return StrCat("monitor ", config.file, ": ", values, " of ", config.sample * 100,
                " % of the requests", config.payloads ? ", with payloads" : "", "  (rotated at ",
                config.rotate_size >> 10, " KiB, ", config.rotate_keep, " kept)");
}

std::string ApiText(const PlannedApi& api) {
  std::string text =
      StrCat("  api ", api.name, "(",
             SpecsText(
                 api.inputs, api.has_rows, [](const TensorSpec& spec) -> auto& { return spec; }),
             ") -> (",
             SpecsText(
                 api.outputs, api.has_rows,
                 [](const PlannedOutput& output) -> auto& { return output.spec; }),
             "), timeout ", absl::FormatDuration(api.timeout), "\n");
  if (api.program != nullptr) {
    text.append("    in C++; it may call\n");
    for (const PlannedStep& step : api.steps) {
      text.append(StrCat("      ", StepText(step, api.has_rows), "\n"));
    }
    return text;
  }
  size_t number = 0;
  for (const std::vector<size_t>& wave : Waves(api)) {
    text.append(StrCat("    ", ++number, ". "));
    if (wave.size() == 1) {
      text.append(StrCat(StepText(api.steps[wave.front()], api.has_rows), "\n"));
      continue;
    }
    text.append("in parallel:\n");
    for (const size_t step : wave) {
      text.append(StrCat("         ", StepText(api.steps[step], api.has_rows), "\n"));
    }
  }
  if (api.monitor.has_value()) text.append(StrCat("    ", MonitorText(*api.monitor), "\n"));
  return text;
}

}  // namespace

std::string DescribePlan(const PlannedService& service) {
  std::string text = StrCat("service ", service.name, "\n");
  for (const PlannedApi& api : service.apis) text.append(ApiText(api));
  return text;
}

}  // namespace tiffin::gateway
