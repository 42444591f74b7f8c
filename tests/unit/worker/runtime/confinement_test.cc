#include "worker/runtime/confinement.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "gtest/gtest.h"

namespace tiffin::worker {
namespace {

// In a child, for there is no way back.
bool HoldsAfter(Debuggable debuggable, const std::function<bool()>& holds) {
  const pid_t child = fork();
  if (child == 0) _exit(Confine(debuggable).ok() && holds() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool HasNoNewPrivileges() { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1; }
bool IsDumpable() { return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1; }
rlim_t MostOfACoreDump() {
  rlimit limit{};
  getrlimit(RLIMIT_CORE, &limit);
  return limit.rlim_max;
}

TEST(ConfinementTest, GivesUpPrivilegesAndCoreDumps) {
  EXPECT_FALSE(HasNoNewPrivileges()) << "the tests' own process";
  EXPECT_TRUE(HoldsAfter(Debuggable::kNo, [] {
    return HasNoNewPrivileges() && !IsDumpable() && MostOfACoreDump() == 0;
  }));
}

TEST(ConfinementTest, BoundsTheDescriptors) {
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(HoldsAfter(Debuggable::kYes, [&] {
    rlimit after{};
    getrlimit(RLIMIT_NOFILE, &after);
    return after.rlim_max == std::min<rlim_t>(before.rlim_max, 65'536) &&
           after.rlim_cur == after.rlim_max;
  }));
}

TEST(ConfinementTest, ADebuggableProcessGivesUpPrivilegesOnly) {
  const rlim_t before = MostOfACoreDump();
  EXPECT_TRUE(HoldsAfter(Debuggable::kYes, [&] {
    return HasNoNewPrivileges() && IsDumpable() && MostOfACoreDump() == before;
  }));
}

}  // namespace
}  // namespace tiffin::worker
