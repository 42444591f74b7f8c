#include "gateway/top/view.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "absl/strings/str_format.h"
#include "common/strings.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway::top {
namespace {

constexpr char kBold[] = "\x1b[1m";
constexpr char kRed[] = "\x1b[31m";
constexpr char kGreen[] = "\x1b[32m";
constexpr char kNormal[] = "\x1b[0m";
constexpr size_t kGap = 2;

std::string Label(const Labels& labels, std::string_view name) {
  const auto found = labels.find(name);
  return found == labels.end() ? "" : found->second;
}

// Of a worker's process; `value` is of it.
double IfKnown(const Scrape& scrape, const Labels& labels, double value) {
  return scrape.Has("tiffin_worker_resident_memory_bytes", labels)
             ? value
             : std::numeric_limits<double>::quiet_NaN();
}

// What all rates of a view are made of.
class Difference {
 public:
  Difference(const Scrape& before, const Scrape& after)
      : before_(before),
        after_(after),
        seconds_(std::max(1e-3, absl::ToDoubleSeconds(after.when - before.when))) {}

  double seconds() const { return seconds_; }
  double Rate(std::string_view name, const Labels& labels) const {
    return Increase(before_, after_, name, labels) / seconds_;
  }
  double ErrorRate(std::string_view name, const Labels& labels) const {
    Labels good = labels;
    good["code"] = "OK";
    return std::max(0.0, Rate(name, labels) - Rate(name, good));
  }
  double QuantileOf(double quantile, const std::string& name, const Labels& labels) const {
    return Quantile(quantile, BucketIncrease(before_, after_, name, labels));
  }
  double Mean(const std::string& name, const Labels& labels) const {
    return Increase(before_, after_, StrCat(name, "_sum"), labels) /
           Increase(before_, after_, StrCat(name, "_count"), labels);
  }

 private:
  const Scrape& before_;
  const Scrape& after_;
  const double seconds_;
};

std::string Number(double value) {
  if (std::isnan(value)) return "-";
  return value >= 100 || value == std::floor(value) ? absl::StrFormat("%.0f", value)
                                                    : absl::StrFormat("%.1f", value);
}

// Three digits, or all those before the point.
std::string Digits(double value) {
  return value >= 99.95 ? absl::StrFormat("%.0f", value) : absl::StrFormat("%.3g", value);
}

std::string Time(double seconds) {
  if (std::isnan(seconds)) return "-";
  // As they are rounded: 1000ms is 1s.
  if (seconds < 0.9995e-3) return absl::StrFormat("%.0fus", seconds * 1e6);
  if (seconds < 0.9995) return Digits(seconds * 1e3) + "ms";
  return Digits(seconds) + "s";
}

std::string Bytes(double bytes) {
  if (std::isnan(bytes)) return "-";
  constexpr double kMiB = 1 << 20;
  constexpr double kGiB = 1 << 30;
  return bytes >= kGiB ? absl::StrFormat("%.1fGiB", bytes / kGiB)
                       : absl::StrFormat("%.0fMiB", bytes / kMiB);
}

std::string Percent(double cores) {
  return std::isnan(cores) ? "-" : absl::StrFormat("%.0f%%", cores * 100);
}

using Cells = std::vector<std::string>;

std::string Painted(const std::string& text, const char* paint, Colour colour) {
  return colour == Colour::kAnsi && *paint != '\0' ? StrCat(paint, text, kNormal) : text;
}

const char* PaintOf(const std::string& cell) {
  if (cell == "ready") return kGreen;
  return cell == "down" || cell == "starting" ? kRed : "";
}

// The first column to the left, the others to the right.
std::string Table(const std::vector<Cells>& rows, size_t width, Colour colour) {
  std::vector<size_t> widths;
  for (const Cells& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Cells& row : rows) {
    size_t used = 0;
    for (size_t i = 0; i < row.size(); ++i) {
      const size_t gap = i == 0 ? 0 : kGap;
      std::string cell = std::string(gap, ' ');
      const std::string pad(widths[i] - row[i].size(), ' ');
      cell += i == 0 ? row[i] + pad : pad + row[i];
      const size_t room = width == 0 ? cell.size() : width - used;
      if (cell.size() > room) cell.resize(room);
      used += cell.size();
      text += Painted(cell, &row == &rows.front() ? kBold : PaintOf(row[i]), colour);
    }
    text += '\n';
  }
  return text;
}

nlohmann::ordered_json NumberOrNull(double value) {
  return std::isnan(value) ? nlohmann::ordered_json() : nlohmann::ordered_json(value);
}

}  // namespace

View Compare(const Scrape& before, const Scrape& after) {
  const Difference difference(before, after);
  View view;
  view.seconds = difference.seconds();
  for (const Sample& sample : after.of("tiffin_build_info")) {
    view.version = Label(sample.labels, "version");
  }
  view.gateway_cpu = difference.Rate("process_cpu_seconds_total", {});
  view.gateway_memory_bytes = after.Sum("process_resident_memory_bytes", {});
  std::set<std::string> apis;  // Those with steps; the others are runners.
  for (const Sample& sample : after.of("tiffin_step_duration_seconds_count")) {
    apis.insert(StrCat(Label(sample.labels, "service"), ".", Label(sample.labels, "api")));
  }
  for (const Sample& sample : after.of("tiffin_requests_in_flight")) {
    const Labels& labels = sample.labels;
    const std::string name = StrCat(Label(labels, "service"), ".", Label(labels, "api"));
    if (!apis.contains(name) && after.Sum("tiffin_requests_total", labels) == 0) continue;
    view.apis.push_back(
        {.name = name,
         .rate = difference.Rate("tiffin_requests_total", labels),
         .error_rate = difference.ErrorRate("tiffin_requests_total", labels),
         .p50 = difference.QuantileOf(0.5, "tiffin_request_duration_seconds", labels),
         .p99 = difference.QuantileOf(0.99, "tiffin_request_duration_seconds", labels),
         .in_flight = sample.value});
  }
  for (const Sample& sample : after.of("tiffin_runner_calls_limit")) {
    const Labels& labels = sample.labels;
    view.runners.push_back(
        {.name = StrCat(Label(labels, "service"), ".", Label(labels, "runner")),
         .rate = difference.Rate("tiffin_runner_calls_total", labels),
         .error_rate = difference.ErrorRate("tiffin_runner_calls_total", labels),
         .p50 = difference.QuantileOf(0.5, "tiffin_runner_call_duration_seconds", labels),
         .p99 = difference.QuantileOf(0.99, "tiffin_runner_call_duration_seconds", labels),
         .queued = after.Sum("tiffin_runner_calls_waiting", labels) +
                   after.Sum("tiffin_replica_calls_queued", labels),
         .limit = sample.value,
         .batch = difference.Mean("tiffin_runner_batch_rows", labels)});
  }
  for (const Sample& sample : after.of("tiffin_replica_up")) {
    const Labels& labels = sample.labels;
    const bool ready = after.Sum("tiffin_replica_ready", labels) > 0;
    view.replicas.push_back(
        {.name = StrCat(Label(labels, "service"), ".", Label(labels, "runner"), "#",
                        Label(labels, "replica")),
         .state = sample.value == 0 ? "down" : (ready ? "ready" : "starting"),
         .cpu = IfKnown(after, labels, difference.Rate("tiffin_worker_cpu_seconds_total", labels)),
         .memory_bytes =
             IfKnown(after, labels, after.Sum("tiffin_worker_resident_memory_bytes", labels)),
         .restarts = after.Sum("tiffin_worker_restarts_total", labels),
         .in_flight = after.Sum("tiffin_replica_calls_in_flight", labels)});
  }
  return view;
}

std::string ToText(const View& view, size_t width, Colour colour) {
  std::vector<Cells> apis = {{"SERVICE.API", "REQ/S", "ERR/S", "P50", "P99", "IN FLIGHT"}};
  for (const ApiRow& row : view.apis) {
    apis.push_back({row.name, Number(row.rate), Number(row.error_rate), Time(row.p50),
                    Time(row.p99), Number(row.in_flight)});
  }
  std::vector<Cells> runners = {{"RUNNER", "CALLS/S", "ERR/S", "P50", "P99", "QUEUED", "BATCH"}};
  for (const RunnerRow& row : view.runners) {
    runners.push_back({row.name, Number(row.rate), Number(row.error_rate), Time(row.p50),
                       Time(row.p99), StrCat(Number(row.queued), "/", Number(row.limit)),
                       Number(row.batch)});
  }
  std::vector<Cells> replicas = {{"REPLICA", "STATE", "CPU", "MEMORY", "RESTARTS", "IN FLIGHT"}};
  for (const ReplicaRow& row : view.replicas) {
    replicas.push_back({row.name, row.state, Percent(row.cpu), Bytes(row.memory_bytes),
                        Number(row.restarts), Number(row.in_flight)});
  }
  std::string head = StrCat("tiffin ", view.version, "  gateway CPU ", Percent(view.gateway_cpu),
                            ", ", Bytes(view.gateway_memory_bytes), "  over ",
                            absl::StrFormat("%.1f", view.seconds), " s");
  if (width != 0 && head.size() > width) head.resize(width);
  return StrCat(head, "\n\n", Table(apis, width, colour), "\n", Table(runners, width, colour), "\n",
                Table(replicas, width, colour));
}

std::string ToJson(const View& view) {
  using Json = nlohmann::ordered_json;
  Json apis = Json::array();
  for (const ApiRow& row : view.apis) {
    apis.push_back({{"name", row.name},
                    {"requests_per_second", row.rate},
                    {"errors_per_second", row.error_rate},
                    {"p50_seconds", NumberOrNull(row.p50)},
                    {"p99_seconds", NumberOrNull(row.p99)},
                    {"in_flight", row.in_flight}});
  }
  Json runners = Json::array();
  for (const RunnerRow& row : view.runners) {
    runners.push_back({{"name", row.name},
                       {"calls_per_second", row.rate},
                       {"errors_per_second", row.error_rate},
                       {"p50_seconds", NumberOrNull(row.p50)},
                       {"p99_seconds", NumberOrNull(row.p99)},
                       {"queued", row.queued},
                       {"limit", row.limit},
                       {"batch_rows", NumberOrNull(row.batch)}});
  }
  Json replicas = Json::array();
  for (const ReplicaRow& row : view.replicas) {
    replicas.push_back({{"name", row.name},
                        {"state", row.state},
                        {"cpu_cores", NumberOrNull(row.cpu)},
                        {"memory_bytes", NumberOrNull(row.memory_bytes)},
                        {"restarts", row.restarts},
                        {"in_flight", row.in_flight}});
  }
  const Json all = {
      {"version", view.version},
      {"seconds", view.seconds},
      {"gateway", {{"cpu_cores", view.gateway_cpu}, {"memory_bytes", view.gateway_memory_bytes}}},
      {"apis", std::move(apis)},
      {"runners", std::move(runners)},
      {"replicas", std::move(replicas)}};
  return all.dump();
}

}  // namespace tiffin::gateway::top
