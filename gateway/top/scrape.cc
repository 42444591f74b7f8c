#include "gateway/top/scrape.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/strings.h"

namespace tiffin::gateway::top {
namespace {

bool Contains(const Labels& all, const Labels& some) {
  return std::all_of(some.begin(), some.end(), [&](const auto& label) {
    const auto found = all.find(label.first);
    return found != all.end() && found->second == label.second;
  });
}

// `name="value",...}` is taken off `text`.
std::optional<Labels> TakeLabels(std::string_view& text) {
  Labels labels;
  while (!text.empty() && text.front() != '}') {
    const size_t equals = text.find("=\"");
    if (equals == std::string_view::npos) return std::nullopt;
    std::string& value = labels[std::string(text.substr(0, equals))];
    text.remove_prefix(equals + 2);
    while (!text.empty() && text.front() != '"') {
      if (text.front() == '\\' && text.size() > 1) {
        text.remove_prefix(1);
        value += text.front() == 'n' ? '\n' : text.front();
      } else {
        value += text.front();
      }
      text.remove_prefix(1);
    }
    if (text.empty()) return std::nullopt;
    text.remove_prefix(1);
    if (!text.empty() && text.front() == ',') text.remove_prefix(1);
  }
  if (text.empty()) return std::nullopt;
  text.remove_prefix(1);
  return labels;
}

// One line, `name{labels} value [timestamp]`.
bool ParseSample(std::string_view line, Scrape& scrape) {
  const size_t name_end = line.find_first_of("{ ");
  if (name_end == 0 || name_end == std::string_view::npos) return false;
  const std::string name(line.substr(0, name_end));
  const bool has_labels = line[name_end] == '{';
  line.remove_prefix(name_end + 1);
  Sample sample;
  if (has_labels) {
    std::optional<Labels> labels = TakeLabels(line);
    if (!labels.has_value()) return false;
    sample.labels = *std::move(labels);
  }
  const std::vector<std::string> words = absl::StrSplit(ToAbsl(line), ' ', absl::SkipEmpty());
  if (words.empty() || words.size() > 2) return false;
  const std::string& value = words.front();
  if (value == "+Inf" || value == "-Inf") {
    sample.value = std::copysign(std::numeric_limits<double>::infinity(), value[0] == '-' ? -1 : 1);
  } else if (!absl::SimpleAtod(value, &sample.value)) {
    return false;
  }
  scrape.samples[name].push_back(std::move(sample));
  return true;
}

double BoundOf(const Sample& sample) {
  const auto bound = sample.labels.find("le");
  double value = std::numeric_limits<double>::infinity();
  if (bound == sample.labels.end() || bound->second == "+Inf") return value;
  return absl::SimpleAtod(bound->second, &value) ? value : std::numeric_limits<double>::infinity();
}

Buckets CumulativeBuckets(const Scrape& scrape, const std::string& name, const Labels& labels) {
  Buckets buckets;
  for (const Sample& sample : scrape.of(StrCat(name, "_bucket"))) {
    if (Contains(sample.labels, labels)) buckets[BoundOf(sample)] += sample.value;
  }
  return buckets;
}

}  // namespace

const std::vector<Sample>& Scrape::of(std::string_view name) const {
  static const std::vector<Sample> none;
  const auto found = samples.find(name);
  return found == samples.end() ? none : found->second;
}

double Scrape::Sum(std::string_view name, const Labels& labels) const {
  double sum = 0;
  for (const Sample& sample : of(name)) {
    if (Contains(sample.labels, labels)) sum += sample.value;
  }
  return sum;
}

bool Scrape::Has(std::string_view name, const Labels& labels) const {
  const std::vector<Sample>& all = of(name);
  return std::any_of(all.begin(), all.end(),
                     [&](const Sample& sample) { return Contains(sample.labels, labels); });
}

absl::StatusOr<Scrape> ParseScrape(std::string_view text, absl::Time when) {
  Scrape scrape{.when = when, .samples = {}};
  size_t number = 0;
  while (!text.empty()) {
    ++number;
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    if (!ParseSample(line, scrape)) {
      return absl::InvalidArgumentError(StrCat("line ", number,
                                               " is not of Prometheus' text format: '",
                                               line.substr(0, 80), "'; is this a Tiffin server?"));
    }
  }
  return scrape;
}

double Increase(const Scrape& before, const Scrape& after, std::string_view name,
                const Labels& labels) {
  const double now = after.Sum(name, labels);
  const double then = before.Sum(name, labels);
  return now >= then ? now - then : now;
}

Buckets BucketIncrease(const Scrape& before, const Scrape& after, const std::string& name,
                       const Labels& labels) {
  Buckets now = CumulativeBuckets(after, name, labels);
  const Buckets then = CumulativeBuckets(before, name, labels);
  const bool restarted =
      !then.empty() && !now.empty() && now.rbegin()->second < then.rbegin()->second;
  double below = 0;
  for (auto& [bound, count] : now) {
    const auto old = then.find(bound);
    const double cumulative = count - (restarted || old == then.end() ? 0 : old->second);
    count = std::max(0.0, cumulative - below);
    below = cumulative;
  }
  return now;
}

double Quantile(double quantile, const Buckets& buckets) {
  double total = 0;
  for (const auto& [bound, count] : buckets) total += count;
  if (total == 0) return std::numeric_limits<double>::quiet_NaN();
  const double rank = quantile * total;
  double seen = 0;
  double lower = 0;
  for (const auto& [bound, count] : buckets) {
    if (count > 0 && seen + count >= rank) {
      return std::isinf(bound) ? lower : lower + (bound - lower) * (rank - seen) / count;
    }
    seen += count;
    if (!std::isinf(bound)) lower = bound;
  }
  return lower;
}

}  // namespace tiffin::gateway::top
