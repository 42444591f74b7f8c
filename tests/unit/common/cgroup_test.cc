#include "common/cgroup.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin {
namespace {

namespace fs = std::filesystem;

// A tree like /sys/fs/cgroup, and a file like /proc/self/cgroup.
class CgroupTest : public testing::Test {
 protected:
  CgroupTest()
      : paths_{.root = folder_.path() + "/cgroup", .membership = folder_.path() + "/membership"} {
    fs::create_directories(paths_.root);
  }

  void Join(const std::string& lines) { std::ofstream(paths_.membership) << lines; }

  void AddGroup(const std::string& group, const std::string& max, uint64_t current) {
    const fs::path path = fs::path(paths_.root) / group;
    fs::create_directories(path);
    std::ofstream(path / "memory.max") << max << "\n";
    std::ofstream(path / "memory.current") << current << "\n";
  }

  void AddCores(const std::string& group, const std::string& cpu_max) {
    const fs::path path = fs::path(paths_.root) / group;
    fs::create_directories(path);
    std::ofstream(path / "cpu.max") << cpu_max << "\n";
  }

  TemporaryFolder folder_;
  CgroupPaths paths_;
};

TEST_F(CgroupTest, TakesTheLeastOfTheGroupAndItsAncestors) {
  Join("0::/a/b/c\n");
  AddGroup("a", "10000", 9400);
  AddGroup("a/b", "5000", 1000);
  AddGroup("a/b/c", "max", 300);
  AddGroup("a/sibling", "10", 0);

  EXPECT_EQ(RemainingCgroupMemory(paths_), 600U);
}

TEST_F(CgroupTest, TakesTheGroupsOwnLimitWhereThatIsLess) {
  Join("0::/a/b\n");
  AddGroup("a", "10000", 1000);
  AddGroup("a/b", "2000", 500);

  EXPECT_EQ(RemainingCgroupMemory(paths_), 1500U);
}

TEST_F(CgroupTest, ReadsTheRootInsideAContainer) {
  Join("0::/\n");
  AddGroup("", "4096", 96);

  EXPECT_EQ(RemainingCgroupMemory(paths_), 4000U);
}

TEST_F(CgroupTest, KnowsNoLimitWhereNoneIsSet) {
  Join("0::/a\n");
  AddGroup("a", "max", 12345);

  EXPECT_EQ(RemainingCgroupMemory(paths_), std::nullopt);
  EXPECT_EQ(LimitByCgroup(1000, paths_), 1000U);
}

TEST_F(CgroupTest, KnowsNoLimitWithoutFiles) {
  EXPECT_EQ(RemainingCgroupMemory(paths_), std::nullopt);
  Join("0::/gone/away\n");
  EXPECT_EQ(RemainingCgroupMemory(paths_), std::nullopt);
}

TEST_F(CgroupTest, FindsTheLineOfVersionTwo) {
  Join("4:memory:/other\n1:name=systemd:/other\n0::/mine\n");
  AddGroup("other", "10", 0);
  AddGroup("mine", "1000", 0);

  EXPECT_EQ(RemainingCgroupMemory(paths_), 1000U);
}

TEST_F(CgroupTest, NeverLeavesTheTree) {
  Join("0::/../../a\n");
  AddGroup("", "700", 0);
  AddGroup("a", "10", 0);

  EXPECT_EQ(RemainingCgroupMemory(paths_), 700U);
}

TEST_F(CgroupTest, CountsIdlePageCacheAsFree) {
  Join("0::/a\n");
  AddGroup("a", "1000", 900);
  std::ofstream(fs::path(paths_.root) / "a" / "memory.stat")
      << "anon 100\nfile 800\nactive_file 200\ninactive_file 600\n";

  EXPECT_EQ(RemainingCgroupMemory(paths_), 700U);
}

TEST_F(CgroupTest, HasNothingLeftWhereMoreIsUsedThanAllowed) {
  Join("0::/a\n");
  AddGroup("a", "1000", 1200);

  EXPECT_EQ(RemainingCgroupMemory(paths_), 0U);
  EXPECT_EQ(LimitByCgroup(1000, paths_), 0U);
}

TEST_F(CgroupTest, LimitIsHalfOfWhatIsLeftButNeverMoreThanAskedFor) {
  Join("0::/a\n");
  AddGroup("a", "1000", 200);

  EXPECT_EQ(LimitByCgroup(10'000, paths_), 400U);
  EXPECT_EQ(LimitByCgroup(399, paths_), 399U);
}

TEST_F(CgroupTest, CountsWhatTheKernelKilledForLackOfMemory) {
  Join("0::/a/b\n");
  const CgroupOomKills kills(paths_);
  EXPECT_EQ(kills.Read(), 0U);
  fs::create_directories(fs::path(paths_.root) / "a/b");
  std::ofstream(fs::path(paths_.root) / "a/b/memory.events")
      << "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 0\n";

  EXPECT_EQ(kills.Read(), 5U);
}

TEST_F(CgroupTest, CoresAreTheLeastOfTheGroupAndItsAncestors) {
  Join("0::/a/b/c\n");
  AddCores("a", "400000 100000");
  AddCores("a/b", "150000 100000");
  AddCores("a/b/c", "max 100000");
  AddCores("a/sibling", "10000 100000");

  EXPECT_EQ(CgroupCores(paths_), 1.5);
}

TEST_F(CgroupTest, CoresMayBeLessThanOne) {
  Join("0::/\n");
  AddCores("", "25000 50000");

  EXPECT_EQ(CgroupCores(paths_), 0.5);
}

TEST_F(CgroupTest, KnowsNoLimitOfCoresWhereNoneIsSet) {
  Join("0::/a\n");
  AddCores("a", "max 100000");

  EXPECT_EQ(CgroupCores(paths_), std::nullopt);
}

TEST_F(CgroupTest, KnowsNoLimitOfCoresFromAFileThatMakesNoSense) {
  Join("0::/a\n");
  AddCores("a", "100000 0");
  EXPECT_EQ(CgroupCores(paths_), std::nullopt);

  AddCores("a", "");
  EXPECT_EQ(CgroupCores(paths_), std::nullopt);

  AddCores("a", "100000");
  EXPECT_EQ(CgroupCores(paths_), std::nullopt);
}

TEST_F(CgroupTest, KnowsNoLimitOfCoresWithoutFiles) {
  Join("0::/gone\n");

  EXPECT_EQ(CgroupCores(paths_), std::nullopt);
}

}  // namespace
}  // namespace tiffin
