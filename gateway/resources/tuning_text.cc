#include "gateway/resources/tuning_text.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/strings.h"
#include "gateway/resources/text.h"

namespace tiffin::gateway {
namespace {

constexpr size_t kMostOthers = 5;
constexpr double kMilliseconds = 1e3;

using Row = std::vector<std::string>;

// The measurements of one method.
Row MeasurementRow(const std::string& what, int threads, const WorkerMeasurements& measured,
                   const std::string& method) {
  const Measurement* alone = nullptr;
  const Measurement* best = nullptr;
  const auto rate = [&measured](const Measurement& one) {
    return static_cast<double>(one.rows) * measured.concurrency / one.seconds;
  };
  for (const Measurement& one : measured.measurements) {
    if (one.method != method) continue;
    if (one.rows == 1) alone = &one;
    if (best == nullptr || rate(one) > rate(*best)) best = &one;
  }
  const double ms = alone == nullptr ? 0 : kMilliseconds * alone->seconds;
  return {what,
          StrCat(threads),
          NumberText(ms),
          NumberText(rate(*best)),
          StrCat(best->rows),
          NumberText(kMilliseconds * best->cpu_seconds / static_cast<double>(best->rows)),
          best->input};
}

std::string WorkersText(const WorkerCounts& workers) {
  std::string text;
  for (const auto& [runner, count] : workers) {
    text += StrCat(text.empty() ? "" : ", ", runner, " ", count.replicas, "x", count.threads);
  }
  return text;
}

Row CandidateRow(const std::string& mark, const Candidate& candidate, size_t load) {
  const Prediction& prediction = candidate.predictions[load];
  return {StrCat("  ", mark), WorkersText(candidate.workers),
          NumberText(prediction.requests_per_second),
          NumberText(kMilliseconds * prediction.seconds), prediction.limit};
}

void Append(const std::vector<Row>& rows, std::vector<std::string>& lines) {
  for (std::string& line : TableLines(rows)) lines.push_back(std::move(line));
}

}  // namespace

std::vector<std::string> MeasurementText(const std::string& service,
                                         const RunnerProfiles& profiles) {
  std::vector<std::string> lines = {StrCat("measured: ", service)};
  std::vector<Row> rows = {
      {"  runner", "threads", "ms", "rows/s", "batch", "cpu ms/row", "measured on"}};
  for (const auto& [runner, profile] : profiles) {
    for (const auto& [threads, measured] : profile) {
      std::set<std::string> methods;
      for (const Measurement& one : measured.measurements) methods.insert(one.method);
      for (const std::string& method : methods) {
        const std::string what = methods.size() == 1 ? runner : StrCat(runner, ".", method);
        rows.push_back(MeasurementRow(StrCat("  ", what), threads, measured, method));
      }
    }
  }
  Append(rows, lines);
  return lines;
}

std::vector<std::string> SearchText(const SearchSubject& subject, const SearchResult& result) {
  std::vector<std::string> lines;
  for (size_t load = 0; load < subject.loads.size(); ++load) {
    lines.push_back(StrCat("predicted: ", subject.loads[load].name, ", with ",
                           CountText(subject.cores, "core")));
    std::vector<Row> rows = {{"  ", "replicas x threads", "requests/s", "ms", "limited by"}};
    rows.push_back(CandidateRow("chosen", result.best, load));
    for (size_t i = 0; i < std::min(kMostOthers, result.others.size()); ++i) {
      rows.push_back(CandidateRow("", result.others[i], load));
    }
    Append(rows, lines);
  }
  return lines;
}

}  // namespace tiffin::gateway
