#include "common/async/watcher.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"

namespace tiffin {
namespace {

// Both ends of a pipe, non-blocking.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe2(ends_.data(), O_CLOEXEC | O_NONBLOCK), 0); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close(ends_[0]);
    close(ends_[1]);
  }

  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void Put() const { EXPECT_EQ(write(ends_[1], "x", 1), 1); }
  bool Take() const {
    char byte = 0;
    return read(ends_[0], &byte, 1) == 1;
  }
  // Until nothing fits any more.
  void Fill() const {
    std::array<char, 4096> bytes{};
    while (write(ends_[1], bytes.data(), bytes.size()) > 0) {
    }
  }
  void Drain() const {
    std::array<char, 4096> bytes{};
    while (read(ends_[0], bytes.data(), bytes.size()) > 0) {
    }
  }

 private:
  std::array<int, 2> ends_{};
};

// True once everything that was ready before has been handled: the watcher has one thread.
void RoundTrip(Watcher& watcher) {
  for (int i = 0; i < 2; ++i) {
    const Pipe pipe;
    pipe.Put();
    absl::Notification seen;
    const auto watch = watcher.Add(pipe.read_end(), Watcher::Interest::kReadable, [&] {
      seen.Notify();
      return false;
    });
    ASSERT_TRUE(seen.WaitForNotificationWithTimeout(kPatience));
  }
}

TEST(WatcherTest, CallsEachTimeTheDescriptorIsReadable) {
  Watcher watcher;
  const Pipe pipe;
  std::array<absl::Notification, 3> seen;
  size_t calls = 0;  // Touched on the watcher's thread only.
  const auto watch = watcher.Add(pipe.read_end(), Watcher::Interest::kReadable, [&] {
    EXPECT_TRUE(pipe.Take());
    if (calls < seen.size()) seen[calls++].Notify();
    return true;
  });

  for (absl::Notification& one : seen) {
    EXPECT_FALSE(one.HasBeenNotified());
    pipe.Put();
    ASSERT_TRUE(one.WaitForNotificationWithTimeout(kPatience));
  }
}

TEST(WatcherTest, CallsAgainWhileBytesAreLeft) {
  Watcher watcher;
  const Pipe pipe;
  for (int i = 0; i < 3; ++i) pipe.Put();
  int calls = 0;
  absl::Notification third;
  const auto watch = watcher.Add(pipe.read_end(), Watcher::Interest::kReadable, [&] {
    pipe.Take();
    if (++calls == 3) third.Notify();
    return true;
  });

  EXPECT_TRUE(third.WaitForNotificationWithTimeout(kPatience));
}

TEST(WatcherTest, CallsOnceWritingIsPossibleAgain) {
  Watcher watcher;
  const Pipe pipe;
  pipe.Fill();
  std::atomic<int> calls = 0;
  absl::Notification writable;
  const auto watch = watcher.Add(pipe.write_end(), Watcher::Interest::kWritable, [&] {
    if (++calls == 1) writable.Notify();
    return false;
  });
  RoundTrip(watcher);
  EXPECT_EQ(calls, 0) << "called for a full pipe";

  pipe.Drain();

  EXPECT_TRUE(writable.WaitForNotificationWithTimeout(kPatience));
}

TEST(WatcherTest, TellsTheEndOfFile) {
  Watcher watcher;
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
  absl::Notification ended;
  auto watch = watcher.Add(ends[0], Watcher::Interest::kReadable, [&] {
    ended.Notify();
    return false;
  });

  close(ends[1]);

  EXPECT_TRUE(ended.WaitForNotificationWithTimeout(kPatience));
  watch.reset();
  close(ends[0]);
}

TEST(WatcherTest, StopsWhenTheCallbackReturnsFalse) {
  Watcher watcher;
  const Pipe pipe;
  std::atomic<int> calls = 0;
  absl::Notification first;
  const auto watch = watcher.Add(pipe.read_end(), Watcher::Interest::kReadable, [&] {
    if (++calls == 1) first.Notify();
    return false;  // And the byte is left.
  });
  pipe.Put();
  ASSERT_TRUE(first.WaitForNotificationWithTimeout(kPatience));

  pipe.Put();
  RoundTrip(watcher);

  EXPECT_EQ(calls, 1);
}

TEST(WatcherTest, AFinishedWatchLeavesItsDescriptorForAnother) {
  Watcher watcher;
  const Pipe pipe;
  pipe.Put();
  absl::Notification first;
  auto once = watcher.Add(pipe.read_end(), Watcher::Interest::kReadable, [&] {
    first.Notify();
    return false;
  });
  ASSERT_TRUE(first.WaitForNotificationWithTimeout(kPatience));
  once.reset();

  absl::Notification second;
  const auto again = watcher.Add(pipe.read_end(), Watcher::Interest::kReadable, [&] {
    second.Notify();
    return false;
  });

  EXPECT_TRUE(second.WaitForNotificationWithTimeout(kPatience));
  EXPECT_TRUE(pipe.Take()) << "the descriptor was closed";
}

TEST(WatcherTest, ADestroyedWatchIsNotCalled) {
  Watcher watcher;
  const Pipe pipe;
  std::atomic<int> calls = 0;
  auto watch = watcher.Add(pipe.read_end(), Watcher::Interest::kReadable, [&] {
    ++calls;
    return false;
  });

  watch.reset();
  pipe.Put();
  RoundTrip(watcher);

  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(pipe.Take()) << "the descriptor was closed";
}

TEST(WatcherTest, AWatchMayBeDestroyedFromInsideItsCallback) {
  Watcher watcher;
  const Pipe pipe;
  std::unique_ptr<Watcher::Watch> watch;
  absl::Notification added;
  absl::Notification destroyed;
  std::atomic<int> calls = 0;
  watch = watcher.Add(pipe.read_end(), Watcher::Interest::kReadable, [&] {
    added.WaitForNotification();
    ++calls;
    watch.reset();
    destroyed.Notify();
    return true;  // Has no effect any more.
  });
  added.Notify();
  pipe.Put();
  ASSERT_TRUE(destroyed.WaitForNotificationWithTimeout(kPatience));

  RoundTrip(watcher);

  EXPECT_EQ(calls, 1);
}

TEST(WatcherTest, DestroyingAWatchWaitsForItsCallback) {
  Watcher watcher;
  const Pipe pipe;
  absl::Notification inside;
  absl::Notification go_on;
  std::atomic<bool> left = false;
  auto watch = watcher.Add(pipe.read_end(), Watcher::Interest::kReadable, [&] {
    pipe.Take();
    inside.Notify();
    go_on.WaitForNotification();
    left = true;
    return true;
  });
  pipe.Put();
  ASSERT_TRUE(inside.WaitForNotificationWithTimeout(kPatience));

  std::atomic<bool> destroyed = false;
  std::thread destroyer([&] {
    watch.reset();
    EXPECT_TRUE(left) << "destruction did not wait";
    destroyed = true;
  });
  EXPECT_FALSE(destroyed);
  go_on.Notify();
  destroyer.join();

  EXPECT_TRUE(destroyed);
}

TEST(WatcherTest, WatchesComeAndGoWhileTheDescriptorIsBusy) {
  Watcher watcher;
  const Pipe pipe;
  pipe.Put();  // Stays: always readable.
  for (int i = 0; i < 300; ++i) {
    std::atomic<bool> gone = false;
    auto watch = watcher.Add(pipe.read_end(), Watcher::Interest::kReadable, [&] {
      EXPECT_FALSE(gone) << "called after destruction";
      return true;
    });
    watch.reset();
    gone = true;
  }
}

TEST(WatcherTest, TheWatcherEndsWhileDescriptorsAreReady) {
  const Pipe pipe;
  pipe.Put();
  for (int i = 0; i < 20; ++i) {
    Watcher watcher;
    auto watch = watcher.Add(pipe.read_end(), Watcher::Interest::kReadable, [] { return true; });
    watch.reset();
  }
}

TEST(WatcherTest, AWatchMayEndWithoutWaitingForItsCallback) {
  Watcher watcher;
  const Pipe pipe;
  absl::Notification inside;
  absl::Notification released;
  std::atomic<int> calls = 0;
  auto watch = watcher.Add(pipe.read_end(), Watcher::Interest::kReadable, [&] {
    ++calls;
    inside.Notify();
    released.WaitForNotification();
    return true;
  });
  pipe.Put();
  ASSERT_TRUE(inside.WaitForNotificationWithTimeout(kPatience));

  watcher.EndLater(std::move(watch));  // For ever, if it waited.

  released.Notify();
  RoundTrip(watcher);
  RoundTrip(watcher);
  EXPECT_LE(calls, 1) << "readable still, and watched";
}

// Destruction does something more.
class AtEnd : public Watcher::Watch {
 public:
  explicit AtEnd(std::function<void()> then) : then_(std::move(then)) {}
  ~AtEnd() override { then_(); }

 private:
  std::function<void()> then_;
};

// The kernel tells of a descriptor, its watch ends, and another one begins, before it is looked at.
TEST(WatcherTest, AnEventOfAWatchThatHasEndedIsNotTakenForANewOnes) {
  Watcher watcher;
  const Pipe busy;
  const Pipe ready;
  const Pipe quiet;
  absl::Notification is_busy;
  absl::Notification go_on;
  auto ready_watch =
      watcher.Add(ready.read_end(), Watcher::Interest::kReadable, [] { return true; });
  const auto busy_watch = watcher.Add(busy.read_end(), Watcher::Interest::kReadable, [&] {
    is_busy.Notify();
    go_on.WaitForNotification();
    return false;
  });
  busy.Put();
  is_busy.WaitForNotification();
  ready.Put();
  watcher.EndLater(std::move(ready_watch));
  std::atomic<int> calls = 0;
  std::unique_ptr<Watcher::Watch> quiet_watch;  // Made on the watcher's thread.
  watcher.EndLater(std::make_unique<AtEnd>([&] {
    quiet_watch = watcher.Add(quiet.read_end(), Watcher::Interest::kReadable, [&] {
      ++calls;
      return false;
    });
  }));

  go_on.Notify();
  RoundTrip(watcher);

  EXPECT_EQ(calls, 0) << "its descriptor has nothing to read";
  quiet.Put();
  RoundTrip(watcher);
  EXPECT_EQ(calls, 1);
}

TEST(WatcherTest, WatchesThatEndLaterEndWithTheWatcherAtLast) {
  auto held = std::make_shared<int>(1);
  const Pipe pipe;
  {
    Watcher watcher;
    watcher.EndLater(
        watcher.Add(pipe.read_end(), Watcher::Interest::kReadable, [held] { return true; }));
  }
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace tiffin
