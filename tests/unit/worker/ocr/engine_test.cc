#include "worker/ocr/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "tests/unit/worker/ocr/images.h"

namespace tiffin::worker {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::Status Proceed() { return absl::OkStatus(); }

TEST(EngineTest, MissingLanguageIsNamedWithItsPackageAndWhatIsThere) {
  for (const std::vector<std::string>& languages :
       {std::vector<std::string>{"xyz_old"}, {"eng", "xyz_old"}}) {
    OcrOptions options;
    options.languages = languages;

    const absl::Status status = Engine::Create(options).status();

    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.ToString(),
                AllOf(HasSubstr("xyz_old.traineddata"), HasSubstr("tesseract-ocr-xyz-old"),
                      HasSubstr("choose among: eng")));
  }
}

TEST(EngineTest, ReadingEndsAsSoonAsItMustNotProceed) {
  const auto engine = Engine::Create({}).value();
  int asked = 0;

  const absl::Status status = engine
                                  ->Read(GrayImage("paragraph.png"),
                                         [&]() -> absl::Status {
                                           if (++asked < 3) return absl::OkStatus();
                                           return absl::AbortedError("enough");
                                         })
                                  .status();

  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(asked, 3);
}

TEST(EngineTest, AnEngineThatWasStoppedReadsTheNextImage) {
  const auto engine = Engine::Create({}).value();
  const auto stop = [] { return absl::CancelledError("stop"); };
  ASSERT_FALSE(engine->Read(GrayImage("paragraph.png"), stop).ok());

  EXPECT_EQ(engine->Read(GrayImage("sentence.png"), Proceed).value().size(), 9);
}

TEST(EngineTest, WhatIsThrownLeavesAnEngineThatReads) {
  const auto engine = Engine::Create({}).value();
  const auto fail = []() -> absl::Status { throw std::runtime_error("no"); };
  EXPECT_THROW((void)engine->Read(GrayImage("paragraph.png"), fail), std::runtime_error);

  EXPECT_EQ(engine->Read(GrayImage("sentence.png"), Proceed).value().size(), 9);
}

}  // namespace
}  // namespace tiffin::worker
