#include "common/cgroup.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace tiffin {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kShare = 2;  // One part of this many is taken.

// The number that `file` consists of. nullopt for "max", and where there is no such file.
std::optional<uint64_t> ReadNumber(const fs::path& file) {
  std::ifstream in(file);
  std::string word;
  uint64_t number = 0;
  if (!(in >> word) || !absl::SimpleAtoi(word, &number)) return std::nullopt;
  return number;
}

// A line `key number`, as memory.stat has them; 0 without one.
uint64_t ReadStat(const fs::path& file, std::string_view key) {
  std::ifstream in(file);
  std::string name;
  uint64_t number = 0;
  while (in >> name >> number) {
    if (name == key) return number;
  }
  return 0;
}

// What `group` itself may still take.
std::optional<uint64_t> RemainingOf(const fs::path& group) {
  const std::optional<uint64_t> limit = ReadNumber(group / "memory.max");
  const std::optional<uint64_t> current = ReadNumber(group / "memory.current");
  if (!limit.has_value() || !current.has_value()) return std::nullopt;
  const uint64_t reclaimable = ReadStat(group / "memory.stat", "inactive_file");
  const uint64_t used = *current - std::min(*current, reclaimable);
  return *limit - std::min(*limit, used);
}

// quota / period of the group itself.
std::optional<double> CoresOf(const fs::path& group) {
  std::ifstream in(group / "cpu.max");
  double quota = 0;
  double period = 0;
  if (!(in >> quota >> period) || period <= 0) return std::nullopt;  // "max", or no such file.
  return quota / period;
}

// The group's path below the root, without a leading slash: the line `0::/path`. Empty for the
// root itself, and for a group that is outside of what this process can see (`/../`).
fs::path GroupOf(const std::string& membership) {
  std::ifstream in(membership);
  std::string line;
  while (std::getline(in, line)) {
    if (!absl::StartsWith(line, "0::/")) continue;
    fs::path group = line.substr(std::string_view("0::/").size());
    const bool outside = std::find(group.begin(), group.end(), "..") != group.end();
    return outside ? fs::path() : group;
  }
  return {};
}

// The least that `read` gives for the process's group and its ancestors.
template <typename T>
std::optional<T> LeastOfGroups(const CgroupPaths& paths,
                               std::optional<T> (*read)(const fs::path& group)) {
  std::optional<T> least;
  fs::path group = GroupOf(paths.membership);
  while (true) {
    const std::optional<T> value = read(fs::path(paths.root) / group);
    if (value.has_value()) least = std::min(least.value_or(*value), *value);
    if (group.empty()) return least;
    group = group.parent_path();
  }
}

}  // namespace

std::optional<uint64_t> RemainingCgroupMemory(const CgroupPaths& paths) {
  return LeastOfGroups<uint64_t>(paths, RemainingOf);
}

std::optional<double> CgroupCores(const CgroupPaths& paths) {
  return LeastOfGroups<double>(paths, CoresOf);
}

CgroupOomKills::CgroupOomKills(const CgroupPaths& paths)
    : file_(fs::path(paths.root) / GroupOf(paths.membership) / "memory.events") {}

uint64_t CgroupOomKills::Read() const { return ReadStat(file_, "oom_kill"); }

uint64_t LimitByCgroup(uint64_t total, const CgroupPaths& paths) {
  const std::optional<uint64_t> remaining = RemainingCgroupMemory(paths);
  return remaining.has_value() ? std::min(total, *remaining / kShare) : total;
}

}  // namespace tiffin
