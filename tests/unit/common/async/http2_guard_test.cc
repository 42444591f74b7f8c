#include "common/async/http2_guard.h"

#include <string>
#include <string_view>

#include "common/tensor.h"
#include "gtest/gtest.h"

namespace tiffin {
namespace {

constexpr uint8_t kHeaders = 1;
constexpr uint8_t kReset = 3;
constexpr uint8_t kSettings = 4;
constexpr uint8_t kContinuation = 9;
constexpr uint8_t kEnd = 4;

const absl::Time kStart = absl::FromUnixSeconds(1000);

std::string Frame(uint8_t type, uint8_t flags, uint8_t stream, size_t size = 0) {
  const std::string head = {static_cast<char>(size >> 16),
                            static_cast<char>(size >> 8),
                            static_cast<char>(size),
                            static_cast<char>(type),
                            static_cast<char>(flags),
                            0,
                            0,
                            0,
                            static_cast<char>(stream)};
  return head + std::string(size, 'x');
}

class Http2GuardTest : public ::testing::Test {
 protected:
  Http2GuardTest() { EXPECT_TRUE(Take("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")); }
  bool Take(std::string_view bytes, absl::Time now = kStart) {
    return guard_.Take(AsBytes(bytes), now);
  }

  Http2Guard guard_{{.header_bytes = 1000,
                     .header_frames = 3,
                     .streams = 2,
                     .cheap_frames = 2,
                     .cheap_frames_per_second = 1},
                    kStart};
};

TEST_F(Http2GuardTest, HeadersAreCountedOverTheirFrames) {
  EXPECT_TRUE(Take(Frame(kHeaders, 0, 1, 600)));
  EXPECT_TRUE(Take(Frame(kContinuation, kEnd, 1, 400)));
  EXPECT_TRUE(Take(Frame(kHeaders, 0, 1, 600)));
  EXPECT_FALSE(Take(Frame(kContinuation, kEnd, 1, 401)));
}

TEST_F(Http2GuardTest, AHeaderHasSoManyFrames) {
  EXPECT_TRUE(Take(Frame(kHeaders, 0, 1)));
  EXPECT_TRUE(Take(Frame(kContinuation, 0, 1)));
  EXPECT_TRUE(Take(Frame(kContinuation, 0, 1)));
  EXPECT_FALSE(Take(Frame(kContinuation, 0, 1)));
}

TEST_F(Http2GuardTest, StreamsAreCountedUntilTheSettingsAreAcknowledged) {
  EXPECT_TRUE(Take(Frame(kHeaders, kEnd, 1) + Frame(kHeaders, kEnd, 3)));
  EXPECT_TRUE(Take(Frame(kHeaders, kEnd, 1))) << "trailers";
  EXPECT_TRUE(Take(Frame(kSettings, 1, 0)));
  EXPECT_TRUE(Take(Frame(kHeaders, kEnd, 5)));
}

TEST_F(Http2GuardTest, OneStreamTooMany) {
  EXPECT_TRUE(Take(Frame(kHeaders, kEnd, 1) + Frame(kHeaders, kEnd, 3)));
  EXPECT_FALSE(Take(Frame(kHeaders, kEnd, 5)));
}

TEST_F(Http2GuardTest, CheapFramesHaveARate) {
  EXPECT_TRUE(Take(Frame(kReset, 0, 1, 4) + Frame(kReset, 0, 1, 4)));
  EXPECT_TRUE(Take(Frame(kReset, 0, 1, 4), kStart + absl::Seconds(1)));
  EXPECT_FALSE(Take(Frame(kReset, 0, 1, 4), kStart + absl::Seconds(1.5)));
}

TEST_F(Http2GuardTest, DataIsSkippedHoweverItIsCut) {
  std::string bytes;
  for (int i = 0; i < 50; ++i) bytes += Frame(/*type=*/0, 0, 1, 300);
  for (const char byte : bytes) EXPECT_TRUE(Take({&byte, 1}));
  EXPECT_TRUE(Take(Frame(kReset, 0, 1, 4) + Frame(kReset, 0, 1, 4)));
  EXPECT_FALSE(Take(Frame(kReset, 0, 1, 4)));
}

}  // namespace
}  // namespace tiffin
