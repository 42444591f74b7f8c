#include "worker/runtime/peer.h"

#include <sys/socket.h>

#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "common/unique_fd.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tests/unit/worker/runtime/controlled_backend.h"
#include "tests/unit/worker/runtime/test_peer.h"

namespace tiffin::worker {
namespace {

constexpr uint64_t kSize = 4096;

// One segment, with room for four tensors of kSize.
constexpr shm::PoolLimits kFour{
    .first_segment = 4 * kSize, .largest_segment = 4 * kSize, .total = 4 * kSize};

// What the gateway says is of no interest.
session::DescriptorChannel::Events Unheard() {
  return {.announced = [](const shm::DescriptorSocket::Received&) {},
          .frames = nullptr,
          .closed = [](const absl::Status&) {}};
}

class PeerTest : public ::testing::Test {
 protected:
  shm::Allocation MustAllocate() {
    auto allocation = peer().Allocate(kSize);
    EXPECT_TRUE(allocation.ok()) << allocation.status();
    return allocation.value_or(shm::Allocation{});
  }
  Peer& peer() { return *test_peer_.peer(); }

  TestPeer test_peer_{kFour};
};

TEST_F(PeerTest, FullIsAnErrorAtOnce) {
  for (int i = 0; i < 4; ++i) MustAllocate();

  EXPECT_TRUE(absl::IsResourceExhausted(peer().Allocate(kSize).status()));
}

TEST_F(PeerTest, WhatAnotherSessionHasFreeMakesRoom) {
  shm::SegmentBudget budget(kFour.total);
  shm::PoolLimits limits = kFour;
  limits.shared = &budget;
  const TestPeer first(limits);
  const TestPeer second(limits);
  const shm::Allocation held = first.peer()->Allocate(kSize).value();
  EXPECT_TRUE(absl::IsResourceExhausted(second.peer()->Allocate(kSize).status()));

  first.peer()->Free(held);

  EXPECT_TRUE(second.peer()->Allocate(kSize).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(first.peer()->Allocate(kSize).status()));
}

TEST_F(PeerTest, ALeaseIsKeptUntilItsRelease) {
  peer().Lease(1, {MustAllocate(), MustAllocate()});
  peer().Lease(2, {MustAllocate(), MustAllocate()});
  ASSERT_FALSE(peer().Allocate(kSize).ok());

  peer().Release(1);

  MustAllocate();
  MustAllocate();
  EXPECT_FALSE(peer().Allocate(kSize).ok()) << "the other call's lease was released too";
}

TEST_F(PeerTest, ASecondReleaseHasNoEffect) {
  peer().Lease(1, {MustAllocate()});
  peer().Release(1);
  const shm::Allocation again = MustAllocate();
  peer().Release(1);  // Would free what the next call was given, or abort.

  for (int i = 0; i < 3; ++i) MustAllocate();
  EXPECT_FALSE(peer().Allocate(kSize).ok());
  peer().Free(again);
}

TEST_F(PeerTest, WhatSeveralHoldIsFreeWhenTheLastGaveItBack) {
  const auto shared = peer().Allocate(4 * kSize, /*holders=*/3);
  ASSERT_TRUE(shared.ok()) << shared.status();
  peer().Lease(1, {*shared});
  peer().Lease(2, {*shared});

  peer().Release(1);
  EXPECT_FALSE(peer().Allocate(kSize).ok());
  peer().Free(*shared);  // Never sent.
  EXPECT_FALSE(peer().Allocate(kSize).ok());
  peer().Release(2);

  for (int i = 0; i < 4; ++i) MustAllocate();
}

TEST_F(PeerTest, AReleaseOfAnUnknownCallHasNoEffect) {
  peer().Lease(1, {MustAllocate()});

  peer().Release(0);
  peer().Release(99);

  for (int i = 0; i < 3; ++i) MustAllocate();
  EXPECT_FALSE(peer().Allocate(kSize).ok());
}

TEST_F(PeerTest, AClosedPeersBytesAreNeverReused) {
  const shm::Allocation leased = MustAllocate();
  const shm::Allocation in_use = MustAllocate();
  peer().Lease(1, {leased});
  peer().Close();

  peer().Release(1);
  peer().Free(in_use);

  MustAllocate();  // A call that still executes.
  MustAllocate();
  EXPECT_FALSE(peer().Allocate(kSize).ok()) << "bytes that a late reader may look at were reused";
}

TEST_F(PeerTest, SegmentsAreDroppedWhenTheyWereIdleAndTheGatewayIsTold) {
  peer().Lease(1, {MustAllocate()});
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
  shm::DescriptorSocket gateway{UniqueFd(ends[0])};
  Watcher watcher;
  LoopThread loop;
  const auto connect = [&] {
    peer().SetDescriptors(
        std::make_unique<session::DescriptorChannel>(shm::DescriptorSocket(UniqueFd(ends[1])),
                                                     watcher, loop.loop(), Unheard()),
        Peer::Express::kNo);
  };
  loop.Do(connect);
  const auto close = absl::MakeCleanup([&] { loop.Do([&] { peer().Close(); }); });
  peer().Release(1);
  peer().DropIdleSegments();
  peer().stream().Flush();
  EXPECT_TRUE(test_peer_.Silent()) << "dropped at once";

  test_peer_.clock().Advance(absl::Seconds(11));
  peer().DropIdleSegments();
  peer().stream().Flush();

  EXPECT_EQ(test_peer_.Next().segment_gone().segment(), 1U);
}

TEST_F(PeerTest, SegmentsThatAreLeasedAreNotDropped) {
  peer().Lease(1, {MustAllocate()});
  test_peer_.clock().Advance(absl::Seconds(60));

  peer().DropIdleSegments();
  peer().stream().Flush();

  EXPECT_TRUE(test_peer_.Silent());
}

TEST_F(PeerTest, AnnouncesSegmentsMadeBeforeAndAfterTheSocketCame) {
  TestPeer two_segments({.first_segment = kSize, .largest_segment = kSize, .total = 4 * kSize});
  Peer& peer = *two_segments.peer();
  ASSERT_TRUE(peer.Allocate(kSize / 2).ok());
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
  shm::DescriptorSocket gateway{UniqueFd(ends[0])};
  Watcher watcher;
  LoopThread loop;
  loop.Do([&] {
    peer.SetDescriptors(
        std::make_unique<session::DescriptorChannel>(shm::DescriptorSocket(UniqueFd(ends[1])),
                                                     watcher, loop.loop(), Unheard()),
        Peer::Express::kNo);
  });
  ASSERT_TRUE(peer.Allocate(kSize).ok());

  for (uint64_t segment = 1; segment <= 2; ++segment) {
    const auto received = gateway.Receive();
    ASSERT_TRUE(received.ok() && received->has_value()) << segment;
    EXPECT_EQ((*received)->announcement.session, 7U);
    EXPECT_EQ((*received)->announcement.segment, segment);
    EXPECT_TRUE((*received)->descriptor.valid());
  }
  loop.Do([&] { peer.Close(); });
}

TEST_F(PeerTest, AnIdThatRunsOrIsLeasedIsRefused) {
  EXPECT_TRUE(peer().AddCall(1, std::make_shared<QueuedCall>()));
  EXPECT_FALSE(peer().AddCall(1, std::make_shared<QueuedCall>()));

  peer().Lease(1, {MustAllocate()});
  peer().RemoveCall(1);
  EXPECT_FALSE(peer().AddCall(1, std::make_shared<QueuedCall>())) << "its outputs are still leased";

  peer().Release(1);
  EXPECT_TRUE(peer().AddCall(1, std::make_shared<QueuedCall>()));
}

TEST_F(PeerTest, CloseDropsCallsThatWaitAndLeavesThoseThatExecute) {
  const auto waiting = std::make_shared<QueuedCall>();
  const auto executing = std::make_shared<QueuedCall>();
  executing->Take(QueuedCall::State::kExecuting);
  peer().AddCall(1, waiting);
  peer().AddCall(2, executing);

  peer().Close();

  EXPECT_EQ(waiting->state, QueuedCall::State::kDropped);
  EXPECT_EQ(executing->state, QueuedCall::State::kExecuting);
  EXPECT_EQ(peer().FindCall(1), nullptr);
}

TEST_F(PeerTest, SendsNothingAfterClose) {
  peer().Close();

  peer().stream().Add([](v1::Frame& frame) { frame.mutable_state(); });
  peer().stream().Flush();

  EXPECT_TRUE(test_peer_.Silent());
}

}  // namespace
}  // namespace tiffin::worker
