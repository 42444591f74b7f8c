#include "gateway/dispatch/last_moments.h"

#include <fcntl.h>

#include <csignal>
#include <memory>
#include <utility>

#include "common/unique_fd.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/manual_clock.h"

namespace tiffin::gateway {
namespace {

using session::ExecutingCall;
using Trial = session::ExecutingPage::Trial;

constexpr ExecutingCall kCall{.session = 7, .call = 1};
constexpr ExecutingCall kOther{.session = 8, .call = 1};

// The page is a worker's, played by the test.
class LastMomentsTest : public ::testing::Test {
 protected:
  absl::Status TakePage() {
    auto received = shm::ForeignSegment::Receive(UniqueFd(fcntl(page_->fd(), F_DUPFD_CLOEXEC, 0)),
                                                 page_->size());
    if (!received.ok()) return received.status();
    return moments_.TakePage(*std::move(received));
  }

  ManualClock clock_;
  uint64_t oom_kill_count_ = 0;
  OomKills oom_kills_{[this] { return oom_kill_count_; }, clock_};
  std::unique_ptr<session::ExecutingPage> page_ = *session::ExecutingPage::Create(8);
  LastMoments moments_{&oom_kills_};
};

TEST_F(LastMomentsTest, WithoutThePageAnyCallMayHaveRun) {
  EXPECT_EQ(moments_.HowFar(kCall, {.own_doing = true, .answers_known = true}),
            Interruption::kMayHaveRun);
}

TEST_F(LastMomentsTest, ThePageComesOnce) {
  EXPECT_TRUE(TakePage().ok());

  EXPECT_TRUE(absl::IsInternal(TakePage()));
}

TEST_F(LastMomentsTest, WhatIsNotListedNeverRanIfAllAnswersAreKnown) {
  ASSERT_TRUE(TakePage().ok());

  EXPECT_EQ(moments_.HowFar(kCall, {.own_doing = true, .answers_known = true}),
            Interruption::kNeverRan);
  EXPECT_EQ(moments_.HowFar(kCall, {.own_doing = true}), Interruption::kMayHaveRun);
}

TEST_F(LastMomentsTest, WhatIsListedIsSuspectIfTheWorkerEndedByItsOwnDoing) {
  ASSERT_TRUE(TakePage().ok());
  const auto listing = page_->List({{kCall}});

  EXPECT_EQ(moments_.HowFar(kCall, {.own_doing = true}), Interruption::kSuspect);
  EXPECT_EQ(moments_.HowFar(kCall, {.own_doing = false, .answers_known = true}),
            Interruption::kMayHaveRun);
}

TEST_F(LastMomentsTest, BesideATrialOnlyTheTrialIsSuspect) {
  ASSERT_TRUE(TakePage().ok());
  const auto listing = page_->List({{kCall}});
  const auto trial = page_->List({{kOther}}, Trial::kYes);

  EXPECT_EQ(moments_.HowFar(kCall, {.own_doing = true}), Interruption::kBystander);
  EXPECT_EQ(moments_.HowFar(kOther, {.own_doing = true, .on_trial = true}), Interruption::kSuspect);
}

TEST_F(LastMomentsTest, AFaultIsItsOwnDoing) {
  ASSERT_TRUE(TakePage().ok());
  EXPECT_EQ(moments_.OwnDoing(), "");

  page_->RecordFault(SIGSEGV);
  EXPECT_EQ(moments_.OwnDoing(), "signal 11");

  page_->RecordFault(session::ExecutingPage::kExited);
  EXPECT_EQ(moments_.OwnDoing(), "exit()");
}

TEST_F(LastMomentsTest, SoIsAKillForLackOfMemorySinceItsLastState) {
  moments_.OnState();
  ++oom_kill_count_;

  EXPECT_EQ(moments_.OwnDoing(), "lack of memory");
}

TEST_F(LastMomentsTest, WhoSpeaksALittleAfterAKillWasNotTheOneKilled) {
  ++oom_kill_count_;
  for (int i = 0; i < 2; ++i) {
    clock_.Advance(OomKills::kMoment);
    moments_.OnState();
  }

  EXPECT_EQ(moments_.OwnDoing(), "");
}

// Kills are counted for the cgroup of this process, where a worker of somebody else's is not.
TEST_F(LastMomentsTest, AWorkerThatIsNotCountedDiedOfNoLackOfMemory) {
  LastMoments of_another(nullptr);
  of_another.OnState();
  ++oom_kill_count_;

  EXPECT_EQ(of_another.OwnDoing(), "");
}

}  // namespace
}  // namespace tiffin::gateway
