#include "gateway/dispatch/quarantine.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/unit/common/async/manual_clock.h"

namespace tiffin::gateway {
namespace {

using Verdict = Quarantine::Verdict;

CallContent ContentOf(const std::string& input, std::string_view method = "run") {
  CallContent content{.method = method, .rows = 1, .inputs = {}};
  content.inputs.push_back(
      HeapValue(DataType::kUint8, {1, static_cast<int64_t>(input.size())}, input).buffer);
  return content;
}

class QuarantineTest : public ::testing::Test {
 protected:
  ManualClock clock_;
  Quarantine quarantine_{clock_};
};

TEST_F(QuarantineTest, IsForTheSecondDeathByTheSameContent) {
  EXPECT_TRUE(quarantine_.empty());
  EXPECT_EQ(quarantine_.Judge(ContentOf("bad")), Verdict::kClear);

  EXPECT_EQ(quarantine_.Convict(ContentOf("bad"), "life 1"), Verdict::kSuspect);
  EXPECT_EQ(quarantine_.Judge(ContentOf("bad")), Verdict::kSuspect);
  EXPECT_EQ(quarantine_.Convict(ContentOf("bad"), "life 2"), Verdict::kQuarantined);

  EXPECT_EQ(quarantine_.Judge(ContentOf("bad")), Verdict::kQuarantined);
  EXPECT_FALSE(quarantine_.empty());
}

TEST_F(QuarantineTest, CountsADeathOnce) {
  // By two calls with the same content, or on two loops.
  EXPECT_EQ(quarantine_.Convict(ContentOf("same"), "life 1"), Verdict::kSuspect);
  EXPECT_EQ(quarantine_.Convict(ContentOf("same"), "life 1"), Verdict::kSuspect);

  EXPECT_EQ(quarantine_.Judge(ContentOf("same")), Verdict::kSuspect);
  EXPECT_EQ(quarantine_.Convict(ContentOf("same"), "life 2"), Verdict::kQuarantined);
}

TEST_F(QuarantineTest, ConcernsNothingElse) {
  quarantine_.Convict(ContentOf("bad"), "life 1");
  quarantine_.Convict(ContentOf("bad"), "life 2");

  EXPECT_EQ(quarantine_.Judge(ContentOf("bat")), Verdict::kClear);
  EXPECT_EQ(quarantine_.Judge(ContentOf("badly")), Verdict::kClear);
  EXPECT_EQ(quarantine_.Judge(ContentOf("bad", "other")), Verdict::kClear);
  CallContent split = ContentOf("b");
  split.inputs.push_back(ContentOf("ad").inputs.front());
  EXPECT_EQ(quarantine_.Judge(split), Verdict::kClear);
  CallContent rows = ContentOf("bad");
  rows.rows = 3;
  EXPECT_EQ(quarantine_.Judge(rows), Verdict::kClear);
}

TEST_F(QuarantineTest, ASuccessClears) {
  quarantine_.Convict(ContentOf("unlucky"), "life 1");

  quarantine_.Acquit(ContentOf("unlucky"));

  EXPECT_TRUE(quarantine_.empty());
  EXPECT_EQ(quarantine_.Convict(ContentOf("unlucky"), "life 2"), Verdict::kSuspect);
}

TEST_F(QuarantineTest, EndsSomeMinutesAfterTheLastDeath) {
  quarantine_.Convict(ContentOf("bad"), "life 1");
  clock_.Advance(Quarantine::kKept - absl::Seconds(1));
  quarantine_.Convict(ContentOf("bad"), "life 2");
  clock_.Advance(Quarantine::kKept - absl::Seconds(1));
  EXPECT_EQ(quarantine_.Judge(ContentOf("bad")), Verdict::kQuarantined);

  clock_.Advance(absl::Seconds(1));

  EXPECT_EQ(quarantine_.Judge(ContentOf("bad")), Verdict::kClear);
  EXPECT_TRUE(quarantine_.empty());
}

TEST_F(QuarantineTest, KeepsTheLastContentsOnly) {
  for (size_t i = 0; i <= Quarantine::kMaxContents; ++i) {
    quarantine_.Convict(ContentOf(std::to_string(100000 + i)), "life");
  }

  EXPECT_EQ(quarantine_.Judge(ContentOf("100000")), Verdict::kClear);
  EXPECT_EQ(quarantine_.Judge(ContentOf("100001")), Verdict::kSuspect);
}

}  // namespace
}  // namespace tiffin::gateway
