#include "common/async/loop.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tests/unit/common/async/manual_clock.h"

namespace tiffin {
namespace {

using ::testing::ElementsAre;

// A loop that runs in the test's own thread, from Run until something calls End.
class LoopTest : public ::testing::Test {
 protected:
  ~LoopTest() override {
    if (!ended_) {
      End();
      loop_.Run();
    }
  }

  void End() {
    ended_ = true;
    loop_.Close();
    queue_.Shutdown();
  }
  void Note(std::string what) { log_.push_back(std::move(what)); }

  ManualClock clock_;
  grpc::CompletionQueue queue_;
  Loop loop_{queue_, clock_};
  std::vector<std::string> log_;
  bool ended_ = false;
};

TEST_F(LoopTest, TimersRunInTheOrderOfTheirTimes) {
  const absl::Time now = loop_.now();
  const Loop::Timer third = loop_.At(now + absl::Seconds(3), [&] { Note("third"); });
  const Loop::Timer first = loop_.At(now + absl::Seconds(1), [&] { Note("first"); });
  const Loop::Timer second = loop_.At(now + absl::Seconds(2), [&] { Note("second"); });
  const Loop::Timer last = loop_.At(now + absl::Seconds(4), [&] { End(); });
  clock_.Advance(absl::Seconds(5));

  loop_.Run();

  EXPECT_THAT(log_, ElementsAre("first", "second", "third"));
}

TEST_F(LoopTest, TimersOfOneTimeRunInTheOrderTheyWereMade) {
  std::vector<Loop::Timer> timers;
  for (const char* name : {"a", "b", "c"}) {
    timers.push_back(loop_.At(loop_.now(), [this, name] { Note(name); }));
  }
  timers.push_back(loop_.At(loop_.now(), [&] { End(); }));

  loop_.Run();

  EXPECT_THAT(log_, ElementsAre("a", "b", "c"));
}

TEST_F(LoopTest, ATimerDoesNotRunBeforeItsTime) {
  const Loop::Timer late = loop_.At(loop_.now() + absl::Seconds(2), [&] { Note("late"); });
  const Loop::Timer early = loop_.At(loop_.now() + absl::Seconds(1), [&] {
    Note("early");
    End();
  });
  clock_.Advance(absl::Seconds(1));

  loop_.Run();

  EXPECT_THAT(log_, ElementsAre("early"));
}

TEST_F(LoopTest, WaitsForATimerOfTheRealClock) {
  grpc::CompletionQueue queue;
  Loop loop(queue, Clock::Monotonic());
  const absl::Time begin = loop.now();
  absl::Time ran;
  const Loop::Timer timer = loop.At(begin + absl::Milliseconds(20), [&] {
    ran = loop.now();
    loop.Close();
    queue.Shutdown();
  });

  loop.Run();

  EXPECT_GE(ran - begin, absl::Milliseconds(20));
}

TEST_F(LoopTest, ATimerForThePastRunsLaterThanWhatIsDueNow) {
  Loop::Timer inner;
  const Loop::Timer outer = loop_.At(loop_.now(), [&] {
    inner = loop_.At(loop_.now() - absl::Hours(1), [&] {
      Note("inner");
      End();
    });
    Note("outer");
  });
  const Loop::Timer sibling = loop_.At(loop_.now(), [&] { Note("sibling"); });

  loop_.Run();

  EXPECT_THAT(log_, ElementsAre("outer", "sibling", "inner"));
}

TEST_F(LoopTest, TimersForThePastDoNotStarveOtherEvents) {
  Loop::Timer timer;
  std::function<void()> again = [&] {
    if (!ended_) timer = loop_.At(loop_.now() - absl::Seconds(1), [&] { again(); });
  };
  again();
  loop_.Post([&] { End(); });

  loop_.Run();

  EXPECT_TRUE(ended_);
}

TEST_F(LoopTest, ATimerCancelsAnotherThatIsDueToo) {
  Loop::Timer second;
  const Loop::Timer first = loop_.At(loop_.now(), [&] { second.Cancel(); });
  second = loop_.At(loop_.now(), [&] { Note("cancelled, and still ran"); });
  const Loop::Timer last = loop_.At(loop_.now(), [&] { End(); });

  loop_.Run();

  EXPECT_TRUE(log_.empty());
}

TEST_F(LoopTest, ATimerMayCancelAndReplaceItself) {
  Loop::Timer timer;
  timer = loop_.At(loop_.now(), [&] {
    timer.Cancel();
    timer = loop_.At(loop_.now(), [&] {
      Note("second life");
      End();
    });
  });

  loop_.Run();

  EXPECT_THAT(log_, ElementsAre("second life"));
}

TEST_F(LoopTest, ADestroyedTimerNeverRunsAndItsTaskIsDestroyedAtOnce) {
  auto held = std::make_shared<int>(1);
  {
    const Loop::Timer timer = loop_.At(loop_.now(), [held] { FAIL() << "it ran"; });
  }
  EXPECT_EQ(held.use_count(), 1);

  loop_.Post([&] { End(); });
  loop_.Run();
}

TEST_F(LoopTest, AMovedTimerIsCancelledByItsNewOwnerOnly) {
  auto owner = std::make_unique<Loop::Timer>();
  {
    Loop::Timer timer = loop_.At(loop_.now(), [&] { Note("ran"); });
    *owner = std::move(timer);
  }
  const Loop::Timer last = loop_.At(loop_.now(), [&] { End(); });

  loop_.Run();

  EXPECT_THAT(log_, ElementsAre("ran"));
}

TEST_F(LoopTest, DeferredTasksRunInOrderAfterTheEvent) {
  loop_.Post([&] {
    loop_.Defer([&] {
      Note("deferred 1");
      loop_.Defer([&] {
        Note("deferred by deferred");
        End();
      });
    });
    loop_.Defer([&] { Note("deferred 2"); });
    Note("event");
  });

  loop_.Run();

  EXPECT_THAT(log_, ElementsAre("event", "deferred 1", "deferred 2", "deferred by deferred"));
}

TEST_F(LoopTest, EventsThatNeverEndDoNotStarveDeferredTasksAndTimers) {
  bool deferred = false;
  bool timer_ran = false;
  std::function<void()> again = [&] {
    if (deferred && timer_ran) {
      End();
    } else {
      loop_.Post([&] { again(); });
    }
  };
  loop_.Post([&] {
    loop_.Defer([&] { deferred = true; });
    again();
  });
  const Loop::Timer timer = loop_.At(loop_.now() + absl::Seconds(1), [&] { timer_ran = true; });
  clock_.Advance(absl::Seconds(1));

  loop_.Run();

  EXPECT_TRUE(ended_);
}

TEST_F(LoopTest, WhatATimerDefersRunsBeforeTheNextTimer) {
  const Loop::Timer first = loop_.At(loop_.now(), [&] { loop_.Defer([&] { Note("deferred"); }); });
  const Loop::Timer second = loop_.At(loop_.now(), [&] {
    Note("second");
    End();
  });

  loop_.Run();

  EXPECT_THAT(log_, ElementsAre("deferred", "second"));
}

TEST_F(LoopTest, PostedBeforeRunIsRun) {
  loop_.Post([&] { Note("posted"); });
  loop_.Post([&] { End(); });

  loop_.Run();

  EXPECT_THAT(log_, ElementsAre("posted"));
}

TEST_F(LoopTest, CloseDropsWhatIsPostedAfterIt) {
  auto held = std::make_shared<int>(1);
  loop_.Post([&] {
    End();
    loop_.Post([held] { FAIL() << "it ran"; });
  });

  loop_.Run();

  EXPECT_EQ(held.use_count(), 1) << "the dropped task is kept";
}

TEST_F(LoopTest, CloseDropsWhatWasPostedAndNotYetTaken) {
  auto held = std::make_shared<int>(1);
  loop_.Post([&] {
    loop_.Post([held] { FAIL() << "it ran"; });
    End();
  });

  loop_.Run();

  EXPECT_EQ(held.use_count(), 1) << "the dropped task is kept";
}

TEST(LoopThreadsTest, PostsOfOneThreadKeepTheirOrderAmongThoseOfOthers) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 500;
  LoopThread loop;
  std::vector<std::vector<int>> seen(kThreads);  // Touched on the loop's thread only.
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop.loop().Post([&seen, t, i] { seen[static_cast<size_t>(t)].push_back(i); });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  const auto results = loop.Do([&] { return seen; });

  for (const std::vector<int>& of_thread : results) {
    ASSERT_EQ(of_thread.size(), static_cast<size_t>(kPosts));
    for (int i = 0; i < kPosts; ++i) EXPECT_EQ(of_thread[static_cast<size_t>(i)], i);
  }
}

TEST(LoopThreadsTest, PostsFromOtherThreadsDuringCloseAreRunOrDropped) {
  auto held = std::make_shared<int>(1);
  {
    LoopThread loop;
    absl::Notification begun;
    std::thread poster([&] {
      for (int i = 0; i < 2000; ++i) {
        loop.loop().Post([held] {});
        if (i == 10) begun.Notify();
      }
    });
    begun.WaitForNotification();
    loop.Stop();
    poster.join();
  }
  EXPECT_EQ(held.use_count(), 1);
}

// Run has no turn yet.
using LoopEnterAloneTest = LoopTest;

TEST_F(LoopEnterAloneTest, RunsInTheCallersThreadWithAllThatItMakesReady) {
  const std::thread::id caller = std::this_thread::get_id();
  std::vector<std::string> log;

  loop_.Enter([&] {
    log.push_back(std::this_thread::get_id() == caller ? "here" : "elsewhere");
    loop_.Defer([&] { log.emplace_back("ready"); });
  });

  EXPECT_THAT(log, ElementsAre("here", "ready"));
}

TEST(LoopEnterTest, EventsOfDifferentThreadsTakeTurns) {
  constexpr int kEach = 2000;
  LoopThread loop;
  int count = 0;  // Of the loop: no lock, no atomic.
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) loop.loop().Enter([&] { ++count; });
    });
  }
  for (int i = 0; i < kEach; ++i) loop.loop().Post([&] { ++count; });
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(loop.Do([&] { return count; }), 3 * kEach);
}

TEST_F(LoopEnterAloneTest, WhoeverHasTheTurnHandlesWhatOthersBringMeanwhile) {
  absl::Notification inside;
  absl::Notification go_on;
  std::thread::id handled_by;
  std::thread holder([&] {
    loop_.Enter([&] {
      inside.Notify();
      go_on.WaitForNotification();
    });
  });
  inside.WaitForNotification();

  loop_.Enter([&] { handled_by = std::this_thread::get_id(); });  // Does not wait.

  EXPECT_EQ(handled_by, std::thread::id());
  const std::thread::id expected = holder.get_id();
  go_on.Notify();
  holder.join();
  EXPECT_EQ(handled_by, expected);
}

TEST(LoopEnterTest, EventsOfOneThreadKeepTheirOrderWhoeverHandlesThem) {
  constexpr int kEach = 2000;  // Far more than may be left to another thread.
  LoopThread loop;
  std::vector<std::vector<int>> seen(3);  // Of the loop: no lock.
  std::vector<std::thread> threads;
  for (std::vector<int>& of_thread : seen) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i)
        loop.loop().Enter([&of_thread, i] { of_thread.push_back(i); });
    });
  }
  for (std::thread& thread : threads) thread.join();

  const auto results = loop.Do([&] { return seen; });

  for (const std::vector<int>& of_thread : results) {
    EXPECT_EQ(of_thread.size(), static_cast<size_t>(kEach));
    EXPECT_TRUE(std::is_sorted(of_thread.begin(), of_thread.end()));
  }
}

TEST_F(LoopEnterAloneTest, WhatIsLeftToTheLastRunsOnceForAllThatHasCome) {
  absl::Notification inside;
  absl::Notification go_on;
  std::vector<std::string> log;
  std::thread holder([&] {
    loop_.Enter([&] {
      inside.Notify();
      go_on.WaitForNotification();
    });
  });
  inside.WaitForNotification();
  for (int i = 0; i < 2; ++i) {
    loop_.Enter([&] {
      log.emplace_back("event");
      loop_.DeferToLast([&] { log.emplace_back("last"); });
    });
  }

  go_on.Notify();
  holder.join();

  EXPECT_THAT(log, ElementsAre("event", "event", "last", "last"));
}

TEST_F(LoopEnterAloneTest, WhatTheLastMakesReadyMayAddToTheLast) {
  std::vector<std::string> log;

  loop_.Enter([&] {
    loop_.DeferToLast([&] {
      loop_.Defer([&] {
        log.emplace_back("ready");
        loop_.DeferToLast([&] { log.emplace_back("last"); });
      });
    });
  });

  EXPECT_THAT(log, ElementsAre("ready", "last"));  // Before the turn's end, not in the next one.
}

// Each event is left while the one before it is handled, so there are never two that wait.
TEST(LoopEnterTest, NobodyIsKeptForEverByWhatOthersBringOneByOne) {
  constexpr int kEvents = 500;
  LoopThread loop;
  absl::Mutex mutex;  // Guards these two.
  int left = 0;
  int begun = 0;
  absl::Notification inside;
  absl::Notification go_on;
  std::vector<std::thread::id> handled_by;  // Of the loop.
  std::thread holder([&] {
    loop.loop().Enter([&] {
      inside.Notify();
      go_on.WaitForNotification();
    });
  });
  const std::thread::id holders = holder.get_id();
  const auto handle = [&](int event) {
    handled_by.push_back(std::this_thread::get_id());
    absl::MutexLock lock(&mutex);
    begun = event;
    const auto next_is_left = [&] { return left > event; };
    // In vain once: where the next one's bringer waits for the turn.
    if (handled_by.back() == holders && event < kEvents) {
      mutex.AwaitWithTimeout(absl::Condition(&next_is_left), absl::Milliseconds(100));
    }
  };

  inside.WaitForNotification();
  for (int i = 1; i <= kEvents; ++i) {
    loop.loop().Enter([&handle, i] { handle(i); });
    if (i == 1) go_on.Notify();
    absl::MutexLock lock(&mutex);
    left = i;
    const auto has_begun = [&] { return begun >= i; };
    mutex.Await(absl::Condition(&has_begun));
  }
  holder.join();

  const auto by = loop.Do([&] { return handled_by; });
  EXPECT_EQ(by.size(), static_cast<size_t>(kEvents));
  EXPECT_LT(std::count(by.begin(), by.end(), holders), kEvents / 2);
}

TEST(LoopEnterTest, ATimerThatIsSetThereIsKept) {
  LoopThread loop;  // Sleeps for ever: it has no timer.
  absl::Notification rang;
  Loop::Timer timer;

  loop.loop().Enter([&] {
    timer = loop.loop().At(loop.loop().now() + absl::Milliseconds(1), [&] { rang.Notify(); });
  });

  EXPECT_TRUE(rang.WaitForNotificationWithTimeout(kPatience));
  loop.Do([&] { timer.Cancel(); });
}

// Of three threads, one sets the timer; one awaits the turn, where that works out; and Run's
// sleeps, which has left what woke it up to the others.
TEST(LoopEnterTest, ATimerThatIsSetBeforeAnotherThreadsTurnIsKept) {
  constexpr int kMoreThanMayBeLeft = 20;
  LoopThread loop;
  for (int round = 0; round < 20; ++round) {
    absl::Notification inside;
    absl::Notification brings;
    absl::Notification rang;
    Loop::Timer timer;
    std::thread setter([&] {
      loop.loop().Enter([&] {
        inside.Notify();
        brings.WaitForNotification();
        for (int i = 0; i < 100; ++i) std::this_thread::yield();
        timer = loop.loop().At(loop.loop().now() + absl::Milliseconds(1), [&] { rang.Notify(); });
      });
    });
    inside.WaitForNotification();
    loop.loop().Post([] {});
    std::thread other([&] {
      brings.Notify();
      for (int i = 0; i < kMoreThanMayBeLeft; ++i) loop.loop().Enter([] {});
    });
    setter.join();
    other.join();

    ASSERT_TRUE(rang.WaitForNotificationWithTimeout(kPatience)) << "in round " << round;
    loop.Do([&] { timer.Cancel(); });
  }
}

TEST_F(LoopEnterAloneTest, TurnsOfRunAreTold) {
  bool entered = true;
  bool run = false;
  loop_.Post([&] {
    run = loop_.of_run();
    End();
  });

  loop_.Enter([&] { entered = loop_.of_run(); });
  std::thread([&] { loop_.Run(); }).join();

  EXPECT_FALSE(entered);
  EXPECT_TRUE(run);
}

TEST(LoopEnterTest, RunsNothingAfterTheEnd) {
  LoopThread loop;
  loop.Stop();

  loop.loop().Enter([] { FAIL() << "the loop has ended"; });
}

TEST(LoopEnterTest, AfterATurnOthersMayHaveTheirs) {
  LoopThread loop;
  absl::Notification entered;

  loop.Do([&] {
    loop.loop().AfterTurn([&] {
      std::thread other([&] { loop.loop().Enter([&] { entered.Notify(); }); });
      other.join();  // For ever, if this were inside the turn.
    });
  });

  EXPECT_TRUE(entered.WaitForNotificationWithTimeout(kPatience));
}

}  // namespace
}  // namespace tiffin
