#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace tiffin::gateway::client {

// When each step of a request ran, and what its time went to: the trailing metadata
// `tiffin-timing`.
struct Timeline {
  using Parts = std::vector<std::pair<std::string, int64_t>>;  // Microseconds; only those above 0.
  struct Step {
    std::string name;
    std::string runner;  // Empty: a function of the gateway.
    int64_t start_us = 0;
    int64_t end_us = 0;
    Parts parts;
  };
  int64_t total_us = 0;
  Parts server;  // What is of no step.
  std::vector<Step> steps;
  std::vector<std::string> critical_path;  // Empty where the server does not say.
  bool truncated = false;
};

// INTERNAL for what is no such text. What a server does not tell is left out.
absl::StatusOr<Timeline> ParseTimeline(std::string_view json);

// A line for each step: when it ran, within the whole time of the request; steps that ran at the
// same time stand below one another. Then what its time went to, and the critical path.
std::string DrawTimeline(const Timeline& timeline, std::string_view block);

// A full block where the terminal's character set has it, else '#'.
std::string_view TimelineBlock();

}  // namespace tiffin::gateway::client
