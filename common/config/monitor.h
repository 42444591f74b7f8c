#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/config/diagnostics.h"
#include "common/config/reference.h"
#include "common/config/yaml_reader.h"

namespace tiffin::config {

inline constexpr uint64_t kDefaultRotateSize = uint64_t{64} << 20;
inline constexpr int kDefaultRotateKeep = 5;
inline constexpr double kDefaultSample = 1;
inline constexpr bool kDefaultPayloads = false;

// A value to write down: an input, a step (or one output of it), or an output of the API.
struct MonitorValue {
  Reference reference;
  Location location;
};

// What is written down of an API's requests, and where.
struct MonitorConfig {
  std::string file;  // In the folder that the server is given.
  uint64_t rotate_size = kDefaultRotateSize;
  int rotate_keep = kDefaultRotateKeep;  // Files before the current one.
  double sample = kDefaultSample;        // The share of the requests.
  bool payloads = kDefaultPayloads;      // Images and bytes as they are, not only their digests.
  std::vector<MonitorValue> values;
  Location location;
  Location file_location;
};

MonitorConfig ReadMonitor(const YamlNode& node, Diagnostics& diagnostics);

}  // namespace tiffin::config
