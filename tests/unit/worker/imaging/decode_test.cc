#include "worker/imaging/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "worker/imaging/encoded.h"

// What is decoded, and what is refused, is tested through the image backend.
namespace tiffin::worker {
namespace {

using ::testing::HasSubstr;

std::string Image(const std::string& name) {
  std::ifstream stream(std::string(TIFFIN_FIXTURES "/image/") + name, std::ios::binary);
  if (!stream) ADD_FAILURE() << "no fixture " << name;
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(DecodeTest, SeveralThreadsMayDecodeAtTheSameTime) {
  const std::string good = Image("gray.png");
  const std::string half = Image("half.bmp");  // OpenCV complains on std::cerr.
  std::atomic<int> decoded = 0;
  std::atomic<int> refused = 0;

  ::testing::internal::CaptureStderr();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        if (DecodeImage(good, kDefaultMaxPixels).ok()) ++decoded;
        if (!DecodeImage(half, kDefaultMaxPixels).ok()) ++refused;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::cerr << "still here";

  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "still here");
  EXPECT_EQ(decoded, 200);
  EXPECT_EQ(refused, 200);
}

TEST(DecodeTest, WellKnownFormatsThatAreNotReadAreNamed) {
  const std::string big_endian_tiff("MM\0*\0\0\0\x8", 8);
  for (const auto& [bytes, name] : std::vector<std::pair<std::string, std::string>>{
           {"GIF89a", "a GIF"},
           {std::string("II*\0\x8\0\0\0", 8), "a TIFF"},
           {big_endian_tiff, "a TIFF"},
           {"%PDF-1.7", "a PDF"}}) {
    const absl::Status refused = DecodeImage(bytes, kDefaultMaxPixels).status();
    EXPECT_EQ(
        refused.message(),
        "this is " + name + ", and no image that can be read; send a PNG, JPEG, WebP or BMP file");
  }
}

TEST(DecodeTest, WhatIsThrownBecomesAStatus) {
  const auto caught = [](const std::function<void()>& raise) {
    return CatchOpenCv("ocr", [&] {
      raise();
      return absl::OkStatus();
    });
  };

  EXPECT_TRUE(caught([] {}).ok());
  const absl::Status no_memory = caught([] { throw std::bad_alloc(); });
  EXPECT_EQ(no_memory.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(no_memory.ToString(), HasSubstr("ocr backend: no memory"));
  const absl::Status too_large = caught([] { CV_Error(cv::Error::StsNoMem, "too large"); });
  EXPECT_EQ(too_large.code(), absl::StatusCode::kResourceExhausted);
  const absl::Status broken = caught([] { CV_Error(cv::Error::StsAssert, "broken"); });
  EXPECT_EQ(broken.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(broken.ToString(), HasSubstr("broken"));
  EXPECT_EQ(caught([] { throw std::runtime_error("odd"); }).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace tiffin::worker
