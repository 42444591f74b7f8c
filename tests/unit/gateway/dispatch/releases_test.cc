#include "gateway/dispatch/releases.h"

#include <optional>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tests/unit/common/async/manual_clock.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// All of it is touched on the loop's thread.
class ReleasesTest : public ::testing::Test {
 protected:
  ReleasesTest() {
    loop_.Do([&] { releases_.emplace(loop_.loop(), [this] { ++flushes_; }); });
  }
  ~ReleasesTest() override {
    loop_.Do([&] { releases_.reset(); });
  }

  void Add(uint64_t call, uint64_t bytes) {
    loop_.Do([&] { releases_->Add(call, bytes); });
  }
  int Flushes() {
    return loop_.Do([&] { return flushes_; });
  }
  void Tick(absl::Duration by) {
    clock_.Advance(by);
    loop_.RunTimers();
  }
  // The calls of the frame that is written; none: there is none.
  std::vector<uint64_t> Written() {
    return loop_.Do([&] {
      releases_->MoveTo(writer_);
      writer_.Flush();
      return std::exchange(written_, {});
    });
  }

  ManualClock clock_;
  LoopThread loop_{clock_};
  int flushes_ = 0;
  std::vector<uint64_t> written_;
  session::FrameWriter writer_{session::FrameWriter::Initially::kWritable,
                               [this](const worker::v1::Frames& message) {
                                 const auto& calls = message.frames(0).release().calls();
                                 written_.assign(calls.begin(), calls.end());
                                 return session::FrameWriter::Progress::kWritten;
                               }};
  std::optional<Releases> releases_;
};

TEST_F(ReleasesTest, RideTogetherOnTheNextFrame) {
  Add(1, 10);
  Add(2, 10);

  EXPECT_THAT(Written(), ElementsAre(1, 2));
  EXPECT_THAT(Written(), IsEmpty()) << "told twice";
}

TEST_F(ReleasesTest, GoByThemselvesAfterAWhile) {
  Add(1, 10);
  Tick(absl::Milliseconds(4));
  EXPECT_EQ(Flushes(), 0);

  Tick(absl::Milliseconds(1));

  EXPECT_EQ(Flushes(), 1);
}

TEST_F(ReleasesTest, ThoseThatAreTakenAlongNeedNoFrameOfTheirOwn) {
  Add(1, 10);
  Written();

  Tick(absl::Milliseconds(10));

  EXPECT_EQ(Flushes(), 0);
}

TEST_F(ReleasesTest, OfManyBytesGoAtOnce) {
  Add(1, 1 << 19);
  EXPECT_EQ(Flushes(), 0);

  Add(2, 1 << 19);

  EXPECT_EQ(Flushes(), 1);
}

TEST_F(ReleasesTest, ClosedTheyAreForgotten) {
  Add(1, 10);

  loop_.Do([&] { releases_->Close(); });
  Tick(absl::Milliseconds(10));

  EXPECT_EQ(Flushes(), 0);
  EXPECT_THAT(Written(), IsEmpty());
}

}  // namespace
}  // namespace tiffin::gateway
