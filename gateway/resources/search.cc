#include "gateway/resources/search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "common/config/resources.h"

namespace tiffin::gateway {
namespace {

// Of the best throughput: what measuring can't tell apart.
constexpr double kAsFast = 0.95;
// In logarithms of the latency.
constexpr double kThreadCost = 0.05;
constexpr double kReplicaCost = 0.01;
constexpr double kRounding = 1e-9;

// More threads, then more processes.
bool Cheaper(const WorkerCount& a, const WorkerCount& b) {
  return std::pair(a.total(), a.replicas) < std::pair(b.total(), b.replicas);
}

template <typename Value>
double GeometricMean(const std::vector<Prediction>& predictions, const Value& value) {
  double sum = 0;
  for (const Prediction& prediction : predictions) sum += std::log(value(prediction));
  return std::exp(sum / static_cast<double>(std::max<size_t>(1, predictions.size())));
}

class Search {
 public:
  explicit Search(const SearchSubject& subject) : subject_(subject) {}

  SearchResult Run() {
    std::vector<Candidate> starts;
    double fastest = 0;
    for (const Candidate& seed : Seeds()) {
      starts.push_back(Improve(seed, [](const Candidate& c) { return -std::log(Speed(c)); }));
      fastest = std::max(fastest, Speed(starts.back()));
      starts.push_back(seed);
    }
    const auto cost = [fastest](const Candidate& candidate) {
      return Speed(candidate) < kAsFast * fastest ? std::numeric_limits<double>::infinity()
                                                  : Cost(candidate);
    };
    for (const Candidate& start : starts) {
      if (Speed(start) >= kAsFast * fastest) Improve(start, cost);
    }
    return Result(cost);
  }

 private:
  static double Speed(const Candidate& candidate) { return candidate.requests_per_second(); }
  static double Cost(const Candidate& candidate) {
    double cost = std::log(candidate.seconds());
    for (const auto& [runner, count] : candidate.workers) {
      cost += kThreadCost * count.total() + kReplicaCost * count.replicas;
    }
    return cost;
  }

  Candidate Make(WorkerCounts workers) {
    Candidate candidate{.workers = std::move(workers), .predictions = {}};
    for (const GraphLoad& load : subject_.loads) {
      candidate.predictions.push_back(
          Predict(load, subject_.profiles, candidate.workers, subject_.cores));
    }
    if (known_.insert(Key(candidate.workers)).second) seen_.push_back(candidate);
    return candidate;
  }

  // Of requests, where all loads are alike.
  double Reach(const std::string& runner, const WorkerCount& count) const {
    double least = std::numeric_limits<double>::infinity();
    for (const GraphLoad& load : subject_.loads) {
      least = std::min(least, Capacity(load, runner, subject_.profiles.at(runner), count));
    }
    return least;
  }

  std::vector<Candidate> Seeds() {
    std::set<double> targets;
    for (const auto& [runner, choices] : subject_.choices) {
      for (const WorkerCount& count : choices) targets.insert(Reach(runner, count));
    }
    // Without a runner there is one division, of nothing.
    if (targets.empty()) return {Make({})};
    std::vector<Candidate> seeds;
    for (const double target : targets) {
      WorkerCounts workers;
      for (const auto& [runner, choices] : subject_.choices) {
        workers[runner] = Least(runner, choices, target);
      }
      seeds.push_back(Make(std::move(workers)));
    }
    return seeds;
  }

  // The cheapest count that reaches the target, else the one that comes nearest.
  WorkerCount Least(const std::string& runner, const std::vector<WorkerCount>& choices,
                    double target) const {
    const WorkerCount* best = nullptr;
    for (const WorkerCount& count : choices) {
      if (best == nullptr) {
        best = &count;
        continue;
      }
      const double reach = std::min(target, Reach(runner, count) * (1 + kRounding));
      const double best_reach = std::min(target, Reach(runner, *best) * (1 + kRounding));
      if (reach > best_reach || (reach == best_reach && Cheaper(count, *best))) best = &count;
    }
    return *best;
  }

  // Changes one runner after the other as long as that lowers the cost.
  template <typename CostOfCandidate>
  Candidate Improve(Candidate candidate, const CostOfCandidate& cost) {
    bool changed = true;
    while (changed) {
      changed = false;
      for (const auto& [runner, choices] : subject_.choices) {
        for (const WorkerCount& count : choices) {
          WorkerCounts workers = candidate.workers;
          workers[runner] = count;
          Candidate other = Make(std::move(workers));
          if (cost(other) >= cost(candidate) - kRounding) continue;
          candidate = std::move(other);
          changed = true;
        }
      }
    }
    return candidate;
  }

  template <typename CostOfCandidate>
  SearchResult Result(const CostOfCandidate& cost) {
    const auto best = std::min_element(
        seen_.begin(), seen_.end(),
        [&cost](const Candidate& a, const Candidate& b) { return cost(a) < cost(b); });
    SearchResult result{.best = *best, .others = {}};
    seen_.erase(best);
    result.others = std::move(seen_);
    std::stable_sort(result.others.begin(), result.others.end(),
                     [](const Candidate& a, const Candidate& b) { return Speed(a) > Speed(b); });
    return result;
  }

  using CountsKey = std::vector<std::pair<int, int>>;
  static CountsKey Key(const WorkerCounts& workers) {
    CountsKey key;
    for (const auto& [runner, count] : workers) key.emplace_back(count.replicas, count.threads);
    return key;
  }

  const SearchSubject& subject_;
  std::set<CountsKey> known_;
  std::vector<Candidate> seen_;
};

}  // namespace

double Candidate::requests_per_second() const {
  return GeometricMean(predictions, [](const Prediction& p) { return p.requests_per_second; });
}

double Candidate::seconds() const {
  return GeometricMean(predictions, [](const Prediction& p) { return p.seconds; });
}

std::vector<int> StepsTo(int most) {
  std::vector<int> steps;
  for (int power = 1; power < most; power *= 2) {
    steps.push_back(power);
    if (const int between = power + power / 2; power >= 2 && between < most) {
      steps.push_back(between);
    }
  }
  steps.push_back(most);
  return steps;
}

std::vector<WorkerCount> ChoicesOf(const RunnerProfile& profile, const ChoiceLimits& limits) {
  std::vector<WorkerCount> choices;
  for (const auto& [threads, measured] : profile) {
    if (limits.replicas.has_value()) {
      const bool fits = *limits.replicas * threads <= limits.cores;
      if (fits || choices.empty()) choices.push_back({*limits.replicas, threads});
      continue;
    }
    for (const int replicas :
         StepsTo(std::clamp(limits.cores / threads, 1, config::kMaxReplicas))) {
      const WorkerCount count{replicas, threads};
      if (count.total() <= limits.cores || choices.empty()) choices.push_back(count);
    }
  }
  return choices;
}

SearchResult FindBest(const SearchSubject& subject) { return Search(subject).Run(); }

}  // namespace tiffin::gateway
