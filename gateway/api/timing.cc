#include "gateway/api/timing.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/strings.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kSeparator = ", ";
constexpr std::string_view kEnd = "]}";
constexpr std::string_view kTruncatedEnd = "], \"truncated\": true}";

// Points in time are rounded first and subtracted then, so that the parts add up.
int64_t Us(absl::Duration duration) { return absl::ToInt64Microseconds(duration); }

// Names need no escapes: they match [a-z][a-z0-9_]*.
std::string StepJson(const StepTiming& step, absl::Duration parse) {
  const int64_t start = Us(parse + step.start);
  const int64_t end = Us(parse + step.end);
  const int64_t told =
      Us(step.spent.queue) + Us(step.spent.batch) + Us(step.spent.compute) + Us(step.spent.retry);
  std::string json = StrCat(
      "{\"name\": \"", step.name, "\", \"runner\": \"", step.runner, "\", \"start_us\": ", start,
      ", \"end_us\": ", end, ", \"queue_us\": ", Us(step.spent.queue),
      ", \"batch_us\": ", Us(step.spent.batch), ", \"compute_us\": ", Us(step.spent.compute),
      ", \"transport_us\": ", step.runner.empty() ? 0 : std::max<int64_t>(0, end - start - told));
  if (step.spent.retries > 0) {
    json += StrCat(", \"retries\": ", step.spent.retries, ", \"retry_us\": ", Us(step.spent.retry));
  }
  if (step.spent.calls > 1) json += StrCat(", \"calls\": ", step.spent.calls);
  json += "}";
  return json;
}

// Those to tell of: `all` where they fit into `space` bytes, else as many as do.
struct Told {
  std::vector<bool> steps;
  bool all = true;
};

Told Choose(std::span<const std::string> entries, std::span<const size_t> first, size_t space) {
  Told told{.steps = std::vector<bool>(entries.size(), false)};
  const auto take = [&](size_t i) {
    if (told.steps[i]) return;
    const size_t size = entries[i].size() + kSeparator.size();
    if (size > space || !told.all) {
      told.all = false;
      return;
    }
    told.steps[i] = true;
    space -= size;
  };
  for (const size_t i : first) take(i);
  for (size_t i = 0; i < entries.size(); ++i) take(i);
  return told;
}

}  // namespace

std::string TimingJson(const Ledger& ledger) {
  int64_t dispatch = 0;
  int64_t last_end = Us(ledger.parse);
  for (const size_t index : ledger.critical_path) {
    dispatch += Us(ledger.parse + ledger.steps[index].start) - last_end;
    last_end = Us(ledger.parse + ledger.steps[index].end);
  }
  std::string json =
      StrCat("{\"total_us\": ", Us(ledger.total), ", \"parse_us\": ", Us(ledger.parse),
             ", \"dispatch_us\": ", dispatch, ", \"gather_us\": ", Us(ledger.total) - last_end,
             ", \"critical_path\": [");
  constexpr std::string_view kSteps = "], \"steps\": [";
  const size_t limit = kMaxTimingBytes - kTruncatedEnd.size();
  bool all = true;
  for (size_t i = 0; all && i < ledger.critical_path.size(); ++i) {
    const std::string name = StrCat(i == 0 ? std::string_view() : kSeparator, "\"",
                                    ledger.steps[ledger.critical_path[i]].name, "\"");
    all = json.size() + name.size() + kSteps.size() <= limit;
    if (all) json += name;
  }
  json += kSteps;

  std::vector<std::string> entries;
  entries.reserve(ledger.steps.size());
  for (const StepTiming& step : ledger.steps) entries.push_back(StepJson(step, ledger.parse));
  const Told told = Choose(entries, ledger.critical_path, limit - json.size());
  std::string_view separator;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (!told.steps[i]) continue;
    json += StrCat(separator, entries[i]);
    separator = kSeparator;
  }
  json += all && told.all ? kEnd : kTruncatedEnd;
  return json;
}

}  // namespace tiffin::gateway
