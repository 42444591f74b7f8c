#include "gateway/dispatch/ejection.h"

#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

class EjectionTest : public ::testing::Test {
 protected:
  bool Fail(int times) {
    bool ejected = false;
    for (int i = 0; i < times; ++i) ejected = ejection_.OnFailure(now_);
    return ejected;
  }

  absl::Time now_ = absl::FromUnixSeconds(1000);
  Ejection ejection_;
};

TEST_F(EjectionTest, OnlyFailuresInARowCount) {
  EXPECT_FALSE(Fail(Ejection::kFailures - 1));
  ejection_.OnSuccess(now_);
  EXPECT_FALSE(Fail(Ejection::kFailures - 1));
  EXPECT_FALSE(ejection_.ejected(now_));

  EXPECT_TRUE(Fail(1));
  EXPECT_TRUE(ejection_.ejected(now_));
  EXPECT_FALSE(ejection_.ejected(now_ + Ejection::kFirst));
}

TEST_F(EjectionTest, ItGrowsWithEachFailureAfterTheReturn) {
  Fail(Ejection::kFailures);
  for (absl::Duration length = Ejection::kFirst * 2; length < Ejection::kLongest * 4; length *= 2) {
    now_ = ejection_.until();
    EXPECT_TRUE(Fail(1));
    EXPECT_EQ(ejection_.until() - now_, std::min(length, Ejection::kLongest));
  }
}

TEST_F(EjectionTest, WhatItWasGivenBeforeDoesNotMakeItLonger) {
  Fail(Ejection::kFailures);
  const absl::Time until = ejection_.until();

  EXPECT_FALSE(Fail(100));

  EXPECT_EQ(ejection_.until(), until);
}

TEST_F(EjectionTest, OneThatIsWellAgainBeginsAnew) {
  Fail(Ejection::kFailures);
  now_ = ejection_.until();
  ejection_.OnSuccess(now_);
  now_ += Ejection::kFirst;
  ejection_.OnSuccess(now_);

  EXPECT_FALSE(Fail(Ejection::kFailures - 1));
  EXPECT_TRUE(Fail(1));
  EXPECT_EQ(ejection_.until() - now_, Ejection::kFirst);
}

}  // namespace
}  // namespace tiffin::gateway
