#include "gateway/metrics/process_usage.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <istream>
#include <iterator>
#include <sstream>
#include <string>

#include "common/strings.h"

namespace tiffin::gateway::metrics {

std::optional<ProcessUsage> ReadProcessUsage(pid_t pid) {
  std::ifstream stat(StrCat("/proc/", pid, "/stat"));
  return ParseProcessUsage(stat);
}

std::optional<ProcessUsage> ParseProcessUsage(std::istream& stat) {
  // A process may end at any time, and then reading is an error. A stream's own functions note
  // that; its buffer's iterators would throw.
  std::string text;
  std::getline(stat, text, '\0');
  // The program's name, in parentheses, may hold anything; what follows has no more of them.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream rest(text.substr(name_end + 1));
  // man 5 proc: the fields from the third, `state`, on.
  constexpr int kParent = 4;
  constexpr int kUserTicks = 14;
  constexpr int kSystemTicks = 15;
  constexpr int kThreads = 20;
  constexpr int kResidentPages = 24;
  std::string state;
  rest >> state;
  ProcessUsage usage;
  int64_t ticks = 0;
  for (int field = kParent; field <= kResidentPages; ++field) {
    int64_t value = 0;
    if (!(rest >> value)) return std::nullopt;  // None of these is beyond 63 bits.
    if (field == kParent) usage.parent = static_cast<pid_t>(value);
    if (field == kUserTicks || field == kSystemTicks) ticks += value;
    if (field == kThreads) usage.threads = static_cast<uint64_t>(value);
    if (field == kResidentPages) {
      usage.resident_bytes = static_cast<uint64_t>(value * sysconf(_SC_PAGESIZE));
    }
  }
  usage.cpu_seconds = static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return usage;
}

uint64_t CountOpenDescriptors() {
  std::error_code error;
  const std::filesystem::directory_iterator open("/proc/self/fd", error);
  if (error) return 0;
  // Without the one that reads them.
  const auto count = std::distance(begin(open), end(open));
  return static_cast<uint64_t>(std::max<std::ptrdiff_t>(0, count - 1));
}

}  // namespace tiffin::gateway::metrics
