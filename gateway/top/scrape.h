#pragma once

#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tiffin::gateway::top {

using Labels = std::map<std::string, std::string, std::less<>>;

struct Sample {
  Labels labels;
  double value = 0;
};

// What a server's /metrics said at one moment: samples by their name, as it is in the text
// ("..._bucket").
struct Scrape {
  absl::Time when;
  std::map<std::string, std::vector<Sample>, std::less<>> samples;

  // Empty if there are none.
  const std::vector<Sample>& of(std::string_view name) const;
  // The sum of those samples whose labels contain all of `labels`.
  double Sum(std::string_view name, const Labels& labels) const;
  // There are such samples.
  bool Has(std::string_view name, const Labels& labels) const;
};

// Reads Prometheus' text format. An error names the line that is none of it.
absl::StatusOr<Scrape> ParseScrape(std::string_view text, absl::Time when);

// A histogram's observations, by upper bound, not cumulative. The last bound is infinite.
using Buckets = std::map<double, double>;
// Between two scrapes; since the start of a server that was started between them.
double Increase(const Scrape& before, const Scrape& after, std::string_view name,
                const Labels& labels);
Buckets BucketIncrease(const Scrape& before, const Scrape& after, const std::string& name,
                       const Labels& labels);

// As Prometheus' histogram_quantile has it: within the bucket in proportion, and the last finite
// bound for what lies beyond. NaN if there are no observations.
double Quantile(double quantile, const Buckets& buckets);

}  // namespace tiffin::gateway::top
