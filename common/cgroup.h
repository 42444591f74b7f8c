#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tiffin {

// Where the kernel tells about control groups. Tests name a tree of their own.
struct CgroupPaths {
  std::string root = "/sys/fs/cgroup";
  std::string membership = "/proc/self/cgroup";
};

// How many bytes this process's cgroup (v2) may still take: the least over the group and its
// ancestors of memory.max - (memory.current - inactive_file). Page cache that nobody uses counts as
// free, for the kernel gives it up before it kills. nullopt: no group has a limit, or none is
// readable.
std::optional<uint64_t> RemainingCgroupMemory(const CgroupPaths& paths);

// The cores that the cgroup (v2) may use: the least quota / period of cpu.max over the group and
// its ancestors. nullopt: no group has a limit, or none is readable.
std::optional<double> CgroupCores(const CgroupPaths& paths);

// How many processes of the cgroup (v2) that this one is in now the kernel has killed for lack of
// memory; those of groups below it count. Thread-safe.
class CgroupOomKills {
 public:
  explicit CgroupOomKills(const CgroupPaths& paths);

  // So far. 0 where that is not readable.
  uint64_t Read() const;

 private:
  std::string file_;
};

// `total`, or half of what the cgroup may still take if that is less. Half, since the other
// processes of the family and this one's heap live in the same group.
uint64_t LimitByCgroup(uint64_t total, const CgroupPaths& paths);

}  // namespace tiffin
