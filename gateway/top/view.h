#pragma once

#include <string>
#include <vector>

#include "gateway/top/scrape.h"

namespace tiffin::gateway::top {

// What `tiffin top` shows, of the time between two scrapes. Rates are per second, times in seconds;
// NaN where nothing happened, or nothing is known.
struct ApiRow {
  std::string name;  // "digits.classify"; "digits.model_a" for a runner that clients call.
  double rate = 0;
  double error_rate = 0;
  double p50 = 0;
  double p99 = 0;
  double in_flight = 0;
};
struct RunnerRow {
  std::string name;
  double rate = 0;
  double error_rate = 0;
  double p50 = 0;
  double p99 = 0;
  double queued = 0;  // In the gateway and in the workers.
  double limit = 0;
  double batch = 0;  // The mean of an execution's rows.
};
struct ReplicaRow {
  std::string name;   // "digits.model_a#0"
  std::string state;  // "ready", "starting" or "down"
  // Of a process that the gateway started and that runs. Cores: 1.0 is one of them all the time.
  double cpu = 0;
  double memory_bytes = 0;
  double restarts = 0;
  double in_flight = 0;
};
struct View {
  std::string version;
  double seconds = 0;
  double gateway_cpu = 0;
  double gateway_memory_bytes = 0;
  std::vector<ApiRow> apis;
  std::vector<RunnerRow> runners;
  std::vector<ReplicaRow> replicas;
};

View Compare(const Scrape& before, const Scrape& after);

enum class Colour { kPlain, kAnsi };

// Lines of at most `width` characters (0: of any length), each with its line end.
std::string ToText(const View& view, size_t width, Colour colour);
// One JSON object on one line, without its line end. What did not happen, or is not known, is null.
std::string ToJson(const View& view);

}  // namespace tiffin::gateway::top
