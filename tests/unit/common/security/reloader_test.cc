#include "common/security/reloader.h"

#include <atomic>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace tiffin::security {
namespace {

TEST(ReloaderTest, LooksAgainAndAgainUntilItEnds) {
  absl::Notification thrice;
  std::atomic<int> looks = 0;
  {
    const Reloader reloader({[&] {
                              if (++looks == 3) thrice.Notify();
                            }},
                            absl::Milliseconds(1));
    thrice.WaitForNotification();
  }
  const int at_end = looks;
  EXPECT_EQ(looks, at_end);
}

TEST(ReloaderTest, EndsAtOnceHoweverSeldomItLooks) {
  const Reloader reloader({[] {}}, absl::InfiniteDuration());
}

}  // namespace
}  // namespace tiffin::security
