// Workers that somebody else starts, at addresses.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/dispatch/dispatch_fixture.h"
#include "tests/unit/gateway/dispatch/fake_worker.h"

namespace tiffin::gateway {
namespace {

using ::testing::HasSubstr;
using worker::BytesSignature;

const std::string kLarge(4096, 'L');

class ReplicaAddressTest : public DispatchTest {
 protected:
  void MakePoolOfAddresses(int slots, int queue_max = 100) {
    elsewhere_ = true;
    MakePool(slots, queue_max);
  }
  void SetAddress(int slot, const std::string& name) {
    loop_.Do([&] {
      pool_->replica(slot).OnAddress({.target = "unix:" + Path(name), .server_name = ""});
    });
  }
  void Withdraw(int slot) {
    loop_.Do([&] { pool_->replica(slot).OnWithdrawn(); });
  }
  [[nodiscard]] bool AwaitReady(int slot, bool ready = true) {
    return loop_.Await([&] { return pool_->replica(slot).ready() == ready; });
  }
};

TEST_P(ReplicaAddressTest, ConnectsAgainAndAgainUntilSomebodyIsThere) {
  MakePoolOfAddresses(1);
  SetAddress(0, "w");
  ASSERT_TRUE(loop_.Await([&] { return unreachable_ > 0; }));
  for (int i = 0; i < 51; ++i) Tick(absl::Milliseconds(100));  // It is hoped for so long.
  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(Start(kLarge)))) << "it waited for nobody";

  FakeWorker worker(Path("w"), signature_);
  // Time stands still while an attempt is under way, which may have begun too early.
  for (bool ready = false; !ready;) {
    const int before = loop_.Do([&] { return unreachable_; });
    Tick(absl::Seconds(1));  // The longest pause.
    ASSERT_TRUE(loop_.Await([&] {
      ready = pool_->ready();
      return ready || unreachable_ > before;
    }));
  }

  EXPECT_THAT(hung_, ::testing::IsEmpty());
  ClosePool();
}

TEST_P(ReplicaAddressTest, CallsWaitSomeSecondsForOneThatHadServed) {
  MakePoolOfAddresses(1);
  std::optional<FakeWorker> worker(std::in_place, Path("w"), signature_);
  SetAddress(0, "w");
  ASSERT_TRUE(AwaitReady(0));
  worker.reset();
  ASSERT_TRUE(AwaitReady(0, false));

  Outcome& outcome = Start(kLarge);
  EXPECT_FALSE(IsDone(outcome));
  for (int i = 0; i < 100 && !IsDone(outcome); ++i) Tick(absl::Milliseconds(100));

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(outcome)));
}

TEST_P(ReplicaAddressTest, AWithdrawnOneEndsItsCallsAndGetsNoMore) {
  MakePoolOfAddresses(2);
  FakeWorker first(Path("first"), signature_);
  FakeWorker second(Path("second"), signature_);
  SetAddress(0, "first");
  ASSERT_TRUE(AwaitReady(0));
  Outcome& under_way = Start("small");
  const uint64_t call = first.NextExecute().call();
  SetAddress(1, "second");
  ASSERT_TRUE(AwaitReady(1));

  Withdraw(0);
  Outcome& after = Start("other");
  second.Send(InlineResult(second.NextExecute().call(), "2"));
  EXPECT_EQ(Await(after).value_or(""), "2");
  EXPECT_FALSE(IsDone(under_way));
  first.Send(InlineResult(call, "1"));

  EXPECT_EQ(Await(under_way).value_or(""), "1");
  ClosePool();
}

TEST_P(ReplicaAddressTest, OneThatFailsAgainAndAgainIsLeftOutUnlessItIsTheLast) {
  MakePoolOfAddresses(2);
  FakeWorker good(Path("good"), signature_);
  FakeWorker bad(Path("bad"), signature_);
  SetAddress(0, "bad");
  ASSERT_TRUE(AwaitReady(0));
  const auto fail_once = [&] {
    Outcome& outcome = Start("x");
    bad.Send(ErrorOf(bad.NextExecute().call(), absl::StatusCode::kInternal));
    EXPECT_TRUE(absl::IsInternal(AwaitStatus(outcome)));
  };
  for (int i = 0; i < Ejection::kFailures; ++i) fail_once();
  fail_once();  // There is no other.
  SetAddress(1, "good");
  ASSERT_TRUE(AwaitReady(1));

  for (int i = 0; i < 4; ++i) {
    Outcome& outcome = Start("y");
    good.Send(InlineResult(good.NextExecute().call(), "z"));
    EXPECT_EQ(Await(outcome).value_or(""), "z");
  }
  ClosePool();
}

TEST_P(ReplicaAddressTest, WhatDoesNotFitIsRefusedAndAskedAgainLater) {
  MakePoolOfAddresses(2);
  FakeWorker right(Path("right"), signature_);
  SetAddress(0, "right");
  ASSERT_TRUE(AwaitReady(0));
  Signature other = signature_;
  other.begin()->second.inputs.front().name = "another";
  FakeWorker wrong(Path("wrong"), other);

  SetAddress(1, "wrong");
  ASSERT_TRUE(loop_.Await([&] { return unreachable_ > 0; }));

  EXPECT_FALSE(loop_.Do([&] { return pool_->replica(1).ready(); }));
  EXPECT_THAT(attached_, ::testing::Contains(std::pair(1, false)));
  ASSERT_EQ(wrong.sessions(), 1);
  Tick(absl::Seconds(1));
  EXPECT_TRUE(loop_.Await([&] { return wrong.sessions() == 2; }));
  ClosePool();
}

INSTANTIATE_TEST_SUITE_P(All, ReplicaAddressTest, kTransports, TransportName);

}  // namespace
}  // namespace tiffin::gateway
