#pragma once

#include <sys/types.h>

#include <cstdint>
#include <iosfwd>
#include <optional>

namespace tiffin::gateway::metrics {

// What a process uses, by /proc.
struct ProcessUsage {
  pid_t parent = 0;
  double cpu_seconds = 0;       // Of all its threads, in user and kernel mode.
  uint64_t resident_bytes = 0;  // Shared pages count in full in every process.
  uint64_t threads = 0;
};

// Nothing if there is no such process.
std::optional<ProcessUsage> ReadProcessUsage(pid_t pid);
// The same of an open /proc/PID/stat, also when the process has ended since it was opened.
std::optional<ProcessUsage> ParseProcessUsage(std::istream& stat);
// How many descriptors this process has open.
uint64_t CountOpenDescriptors();

}  // namespace tiffin::gateway::metrics
