#include "gateway/client/timeline.h"

#include <algorithm>
#include <initializer_list>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/environment.h"
#include "common/strings.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway::client {
namespace {

using nlohmann::json;

constexpr int64_t kWidth = 56;  // Columns of the bar.
constexpr std::string_view kFunction = "(function)";

int64_t Number(const json& object, const std::string& key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

std::string Text(const json& object, const std::string& key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

Timeline::Parts PartsOf(const json& object, std::initializer_list<const char*> names) {
  Timeline::Parts parts;
  for (const char* name : names) {
    const int64_t us = Number(object, StrCat(name, "_us"));
    if (us > 0) parts.emplace_back(name, us);
  }
  return parts;
}

std::string PartsText(const Timeline::Parts& parts) {
  return absl::StrJoin(parts, ", ", [](std::string* out, const auto& part) {
    out->append(StrCat(part.first, " ", part.second));
  });
}

std::string Repeated(std::string_view piece, int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) text += piece;
  return text;
}

std::string Padded(std::string_view text, size_t width) {
  std::string padded(text);
  padded.resize(std::max(width, text.size()), ' ');
  return padded;
}

std::string_view RunnerText(const Timeline::Step& step) {
  return step.runner.empty() ? kFunction : std::string_view(step.runner);
}

std::string Bar(const Timeline::Step& step, int64_t total, std::string_view block) {
  const int64_t first = std::clamp<int64_t>(step.start_us * kWidth / total, 0, kWidth - 1);
  const int64_t last =
      std::clamp<int64_t>((step.end_us * kWidth + total - 1) / total, first + 1, kWidth);
  return StrCat(std::string(static_cast<size_t>(first), '.'), Repeated(block, last - first),
                std::string(static_cast<size_t>(kWidth - last), '.'));
}

}  // namespace

absl::StatusOr<Timeline> ParseTimeline(std::string_view text) {
  const json object = json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  const auto steps = object.find("steps");
  if (!object.is_object() || steps == object.end() || !steps->is_array()) {
    return absl::InternalError("the server's timeline is not one; it comes as 'tiffin-timing'");
  }
  Timeline timeline;
  timeline.total_us = Number(object, "total_us");
  timeline.server = PartsOf(object, {"parse", "dispatch", "gather"});
  timeline.truncated = object.contains("truncated");
  for (const json& step : *steps) {
    if (!step.is_object()) continue;
    timeline.steps.push_back(
        {.name = Text(step, "name"),
         .runner = Text(step, "runner"),
         .start_us = Number(step, "start_us"),
         .end_us = Number(step, "end_us"),
         .parts = PartsOf(step, {"queue", "batch", "compute", "transport", "retry"})});
  }
  const auto path = object.find("critical_path");
  if (path != object.end() && path->is_array()) {
    for (const json& name : *path) {
      if (name.is_string()) timeline.critical_path.push_back(name.get<std::string>());
    }
  }
  return timeline;
}

std::string DrawTimeline(const Timeline& timeline, std::string_view block) {
  const int64_t total = std::max<int64_t>(timeline.total_us, 1);
  size_t names = 0;
  size_t runners = 0;
  for (const Timeline::Step& step : timeline.steps) {
    names = std::max(names, step.name.size());
    runners = std::max(runners, RunnerText(step).size());
  }
  std::string text;
  for (const Timeline::Step& step : timeline.steps) {
    text += StrCat("    ", Padded(step.name, names), "  ", Padded(RunnerText(step), runners), "  ",
                   Bar(step, total, block));
    absl::StrAppendFormat(&text, "  %6d us", step.end_us - step.start_us);
    if (!step.parts.empty() && !step.runner.empty())
      text += StrCat("  (", PartsText(step.parts), ")");
    text += "\n";
  }
  if (timeline.truncated) text += "    ... (more steps than metadata holds)\n";
  if (!timeline.server.empty()) text += StrCat("    server: ", PartsText(timeline.server), "\n");
  if (!timeline.critical_path.empty()) {
    text += StrCat("    critical path: ", absl::StrJoin(timeline.critical_path, " > "), "\n");
  }
  return text;
}

std::string_view TimelineBlock() {
  // In the order in which the C library looks at them.
  for (const environment::Variable& variable :
       {environment::kLocaleAll, environment::kLocaleType, environment::kLocale}) {
    const std::string locale = ToLower(environment::Get(variable));
    if (locale.empty()) continue;
    const bool has_blocks =
        locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
    return has_blocks ? "█" : "#";
  }
  return "#";
}

}  // namespace tiffin::gateway::client
