#include "gateway/api/http/content_coding.h"

#include <zlib.h>

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"

namespace tiffin::gateway::http {
namespace {

constexpr uint64_t kNoLimit = uint64_t{1} << 40;
constexpr int kDeflate = 15;
constexpr int kGzip = 15 + 16;

std::string Compressed(const std::string& text, int window_bits) {
  z_stream z{};
  if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    std::abort();
  }
  std::string coded(deflateBound(&z, static_cast<uLong>(text.size())), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(coded.data());
  z.avail_out = static_cast<uInt>(coded.size());
  if (deflate(&z, Z_FINISH) != Z_STREAM_END) std::abort();
  coded.resize(coded.size() - z.avail_out);
  deflateEnd(&z);
  return coded;
}

absl::StatusOr<std::string> InflateAll(const std::string& coded) {
  return Inflate(coded, kNoLimit, [](uint64_t) { return true; });
}

TEST(ContentCodingTest, TheFieldNamesACoding) {
  for (const char* name : {"gzip", "GZIP", " deflate ", "x-gzip"}) {
    EXPECT_EQ(*ParseContentCoding(name), ContentCoding::kZlib) << name;
  }
  EXPECT_EQ(*ParseContentCoding(""), ContentCoding::kIdentity);
  EXPECT_EQ(*ParseContentCoding("identity"), ContentCoding::kIdentity);
  for (const char* name : {"br", "gzip, gzip", "zstd", "\xFF"}) {
    EXPECT_EQ(ParseContentCoding(name).status().code(), absl::StatusCode::kUnimplemented) << name;
  }
}

TEST(ContentCodingTest, TextsOfAllSizesComeBack) {
  for (const size_t size : {0U, 1U, 65'535U, 65'536U, 65'537U, 3'000'000U}) {
    std::string text(size, 'x');
    for (size_t i = 0; i < size; i += 7) text[i] = static_cast<char>(i * 31);
    for (const int form : {kDeflate, kGzip}) {
      EXPECT_EQ(*InflateAll(Compressed(text, form)), text) << size;
    }
  }
}

TEST(ContentCodingTest, WhatIsNotWholeIsRefused) {
  const std::string coded = Compressed(std::string(1000, 'x'), kGzip);
  for (size_t size = 0; size < coded.size(); ++size) {
    EXPECT_EQ(InflateAll(coded.substr(0, size)).status().code(), absl::StatusCode::kInvalidArgument)
        << size;
  }
  EXPECT_FALSE(InflateAll(coded + "x").ok());
  EXPECT_FALSE(InflateAll("nonsense").ok());
}

TEST(ContentCodingTest, ABombStopsAtTheLimit) {
  const std::string bomb = Compressed(std::string(10'000'000, 'x'), kDeflate);
  uint64_t most = 0;
  const auto result = Inflate(bomb, 100'000, [&](uint64_t bytes) {
    most = bytes;
    return true;
  });
  EXPECT_EQ(result.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_LT(most, 400'000U);
  EXPECT_EQ(Inflate(bomb, kNoLimit, [](uint64_t bytes) { return bytes < 100'000; }).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace tiffin::gateway::http
