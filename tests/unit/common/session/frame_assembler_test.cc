#include "common/session/frame_assembler.h"

#include <string>

#include "common/tensor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::session {
namespace {

using ::testing::HasSubstr;

std::string MessageOf(const std::string& text) {
  worker::v1::Frames frames;
  frames.add_frames()->mutable_result()->set_message(text);
  return frames.SerializeAsString();
}

TEST(FrameAssemblerTest, AWholeMessageIsThereAtOnce) {
  FrameAssembler assembler;
  for (const char* text : {"first", "second"}) {
    const std::string message = MessageOf(text);
    const auto frames = assembler.Add(message.size(), AsBytes(message));
    ASSERT_TRUE(frames.ok() && *frames != nullptr) << frames.status();
    ASSERT_EQ((*frames)->frames_size(), 1);
    EXPECT_EQ((*frames)->frames(0).result().message(), text);
  }
}

TEST(FrameAssemblerTest, PiecesOfAnySizeMakeAMessage) {
  const std::string message = MessageOf("some text");
  for (size_t size = 1; size < message.size(); ++size) {
    FrameAssembler assembler;
    for (size_t at = 0; at < message.size(); at += size) {
      const std::string piece = message.substr(at, size);
      const auto frames = assembler.Add(message.size(), AsBytes(piece));
      ASSERT_TRUE(frames.ok()) << frames.status();
      ASSERT_EQ(*frames != nullptr, at + size >= message.size());
    }
  }
}

TEST(FrameAssemblerTest, ALengthAboveTheLimitIsRefusedAndNamed) {
  FrameAssembler assembler;
  const auto frames = assembler.Add(FrameAssembler::kMaxMessageBytes + 1, AsBytes("x"));

  ASSERT_TRUE(absl::IsInvalidArgument(frames.status())) << frames.status();
  EXPECT_THAT(std::string(frames.status().message()), HasSubstr("268435457"));
}

TEST(FrameAssemblerTest, MoreThanWasToComeIsRefused) {
  FrameAssembler assembler;
  ASSERT_TRUE(assembler.Add(10, AsBytes("12345678")).ok());

  EXPECT_TRUE(absl::IsInvalidArgument(assembler.Add(10, AsBytes("123")).status()));
}

TEST(FrameAssemblerTest, AMessageInsideAnotherIsRefused) {
  FrameAssembler assembler;
  ASSERT_TRUE(assembler.Add(10, AsBytes("12345678")).ok());

  EXPECT_TRUE(absl::IsInvalidArgument(assembler.Add(2, AsBytes("12")).status()));
}

TEST(FrameAssemblerTest, WhatIsNoFramesIsRefused) {
  FrameAssembler assembler;

  EXPECT_TRUE(absl::IsInvalidArgument(assembler.Add(4, AsBytes("\xff\xff\xff\xff")).status()));
}

}  // namespace
}  // namespace tiffin::session
