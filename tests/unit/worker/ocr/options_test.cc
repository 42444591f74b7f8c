#include "worker/ocr/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace tiffin::worker {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(OcrOptionsTest, NothingGivenMeansTheDefaults) {
  const OcrOptions options = ParseOcrOptions(json::object()).value();

  EXPECT_THAT(options.languages, ElementsAre("eng"));
  EXPECT_EQ(options.page_mode, PageMode::kAuto);
  EXPECT_EQ(options.upscale, Preparation::kAuto);
  EXPECT_EQ(options.background, Preparation::kAuto);
  EXPECT_EQ(options.despeckle, Preparation::kAuto);
  EXPECT_EQ(options.deskew, Preparation::kAuto);
  EXPECT_EQ(options.max_pixels, int64_t{1} << 25);
  EXPECT_EQ(options.time_limit, absl::Seconds(30));
  EXPECT_EQ(options, OcrOptions());
  EXPECT_EQ(ParseOcrOptions(nullptr).value(), OcrOptions());
}

TEST(OcrOptionsTest, EachOptionIsRead) {
  const OcrOptions options = ParseOcrOptions({{"languages", {"eng", "chi_sim"}},
                                              {"page_mode", "single_line"},
                                              {"upscale", "on"},
                                              {"background", "off"},
                                              {"despeckle", "off"},
                                              {"deskew", "off"},
                                              {"max_pixels", 100},
                                              {"time_limit", "1.5s"},
                                              {"min_confidence", 0}})
                                 .value();

  EXPECT_THAT(options.languages, ElementsAre("eng", "chi_sim"));
  EXPECT_EQ(options.page_mode, PageMode::kSingleLine);
  EXPECT_EQ(options.upscale, Preparation::kOn);
  EXPECT_EQ(options.background, Preparation::kOff);
  EXPECT_EQ(options.despeckle, Preparation::kOff);
  EXPECT_EQ(options.deskew, Preparation::kOff);
  EXPECT_EQ(options.max_pixels, 100);
  EXPECT_EQ(options.time_limit, absl::Milliseconds(1500));
  EXPECT_EQ(options.min_confidence, 0);
}

TEST(OcrOptionsTest, OnAndOffMayComeAsBooleans) {
  EXPECT_EQ(ParseOcrOptions({{"upscale", true}}).value().upscale, Preparation::kOn);
  EXPECT_EQ(ParseOcrOptions({{"deskew", false}}).value().deskew, Preparation::kOff);
}

TEST(OcrOptionsTest, WhatIsWrongIsNamedWithTheFix) {
  const auto error = [](const json& options) {
    const absl::Status status = ParseOcrOptions(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return status.ToString();
  };
  EXPECT_THAT(error({{"language", "eng"}}),
              HasSubstr("unknown option 'language'; the options are languages, page_mode,"));
  EXPECT_THAT(error({{"languages", "eng"}}),
              HasSubstr("'languages' is \"eng\"; it must be a list"));
  EXPECT_THAT(error({{"languages", json::array()}}), HasSubstr("'languages'"));
  EXPECT_THAT(error({{"languages", {"eng", "eng"}}}), HasSubstr("different names"));
  EXPECT_THAT(error({{"languages", {"../eng"}}}), HasSubstr("'languages'"));
  EXPECT_THAT(error({{"languages", {"eng+deu"}}}), HasSubstr("'languages'"));
  EXPECT_THAT(error({{"languages", {1}}}), HasSubstr("'languages'"));
  EXPECT_THAT(error({{"page_mode", 7}}),
              HasSubstr("'page_mode' is 7; it must be auto, single_block,"));
  EXPECT_THAT(error({{"upscale", "yes"}}), HasSubstr("it must be auto, on or off"));
  EXPECT_THAT(error({{"background", 1}}), HasSubstr("it must be auto, on or off"));
  EXPECT_THAT(error({{"despeckle", "on"}}), HasSubstr("it must be auto or off"));
  EXPECT_THAT(error({{"deskew", true}}), HasSubstr("it must be auto or off"));
  EXPECT_THAT(error({{"max_pixels", 0}}), HasSubstr("'max_pixels'"));
  EXPECT_THAT(error({{"max_pixels", 1.5}}), HasSubstr("'max_pixels'"));
  for (const json& limit :
       {json("10"), json(10), json("-1s"), json("0s"), json("inf"), json("25h")}) {
    EXPECT_THAT(error({{"time_limit", limit}}), HasSubstr("such as 10s")) << limit;
  }
  EXPECT_THAT(error({{"min_confidence", 1.1}}), HasSubstr("a number from 0 to 1"));
  EXPECT_THAT(error({{"min_confidence", "high"}}), HasSubstr("a number from 0 to 1"));
  EXPECT_THAT(error(json::array({1})), HasSubstr("must be a mapping"));
}

}  // namespace
}  // namespace tiffin::worker
