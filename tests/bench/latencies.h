#pragma once

#include <cstdint>
#include <vector>

#include "nlohmann/json.hpp"

namespace tiffin::bench {

// In us: the smallest that at least `share` of all do not exceed. There is at least one; puts them
// in another order.
double Percentile(std::vector<int64_t>& latencies_ns, double share);

// What the programs say of a measurement: `requests` and their latencies' percentiles, replies per
// second, and `total_requests` with those of the warm-up. There is at least one latency.
nlohmann::json Summarize(std::vector<int64_t> latencies_ns, double throughput,
                         int64_t total_requests);

}  // namespace tiffin::bench
