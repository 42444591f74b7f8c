#include "tests/bench/latencies.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace tiffin::bench {

double Percentile(std::vector<int64_t>& latencies_ns, double share) {
  const double rank = std::ceil(share * static_cast<double>(latencies_ns.size()));
  const auto nth = latencies_ns.begin() + std::max<ptrdiff_t>(static_cast<ptrdiff_t>(rank), 1) - 1;
  std::nth_element(latencies_ns.begin(), nth, latencies_ns.end());
  return static_cast<double>(*nth) / 1e3;
}

nlohmann::json Summarize(std::vector<int64_t> latencies_ns, double throughput,
                         int64_t total_requests) {
  return {{"requests", latencies_ns.size()},
          {"total_requests", total_requests},
          {"p50_us", Percentile(latencies_ns, 0.50)},
          {"p99_us", Percentile(latencies_ns, 0.99)},
          {"throughput", throughput}};
}

}  // namespace tiffin::bench
