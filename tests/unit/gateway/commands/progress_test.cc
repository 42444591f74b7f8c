#include "gateway/commands/progress.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/notification.h"

namespace tiffin::gateway {
namespace {

TEST(ProgressTest, ALineIsSaidEachTimeWhereNobodyIsAtATerminal) {
  ::testing::internal::CaptureStderr();
  {
    std::atomic<int> asked = 0;
    absl::Notification enough;
    const Progress progress(
        [&] {
          const int count = ++asked;
          if (count == 3) enough.Notify();
          return count == 2 ? std::string() : "waiting " + std::to_string(count);
        },
        {.patience = absl::ZeroDuration(),
         .terminal = absl::Hours(1),
         .lines = absl::ZeroDuration()});
    enough.WaitForNotification();
  }
  EXPECT_TRUE(::testing::internal::GetCapturedStderr().starts_with("waiting 1\nwaiting 3\n"));
}

TEST(ProgressTest, ShortWaitsSayNothing) {
  ::testing::internal::CaptureStderr();
  {
    const Progress progress([] { return std::string("waiting"); });
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace tiffin::gateway
