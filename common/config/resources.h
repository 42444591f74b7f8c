#pragma once

#include <optional>
#include <string>

#include "common/config/diagnostics.h"
#include "common/config/yaml_reader.h"

namespace tiffin::config {

inline constexpr double kMaxCpu = 1024;
inline constexpr int kMaxThreads = 1024;
inline constexpr int kMaxReplicas = 64;
inline constexpr char kCpuDevice[] = "cpu";

// What each replica of a runner may use, as far as the service file says so.
struct ResourcesConfig {
  std::optional<double> cpu;   // Its share of the gateway's cores.
  std::optional<int> threads;  // What its engine is given, whatever its share.
};

// The values of a runner's keys `resources` and `device`. What is wrong goes to `diagnostics`, and
// is left out.
ResourcesConfig ReadResources(const YamlNode& node, Diagnostics& diagnostics);
std::optional<std::string> ReadDevice(const YamlNode& node, Diagnostics& diagnostics);

}  // namespace tiffin::config
