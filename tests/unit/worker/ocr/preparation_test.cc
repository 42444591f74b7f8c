#include "worker/ocr/preparation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <opencv2/core.hpp>
#include <string>

#include "tests/unit/worker/ocr/images.h"
#include "worker/ocr/measures.h"

namespace tiffin::worker {
namespace {

using ::testing::HasSubstr;

PreparedImage Prepare(const std::string& name, const OcrOptions& options = {}) {
  absl::StatusOr<PreparedImage> prepared = PrepareImage(GrayImage(name), options);
  if (!prepared.ok()) ADD_FAILURE() << name << ": " << prepared.status();
  return prepared.ok() ? *std::move(prepared) : PreparedImage();
}

OcrOptions AllOff() {
  OcrOptions options;
  options.upscale = Preparation::kOff;
  options.background = Preparation::kOff;
  options.despeckle = Preparation::kOff;
  options.deskew = Preparation::kOff;
  return options;
}

bool Same(const cv::Mat& one, const cv::Mat& two) {
  return one.size() == two.size() && cv::norm(one, two, cv::NORM_INF) == 0;
}

TEST(PreparationTest, AGoodImageIsLeftAlone) {
  for (const char* name : {"sentence.png", "paragraph.png", "dark.png", "blank.png", "one.png"}) {
    EXPECT_TRUE(Same(Prepare(name).image, GrayImage(name))) << name;
  }
}

TEST(PreparationTest, NothingIsDoneWhenAllIsOff) {
  for (const char* name : {"small.png", "unlevel.png", "rising.png", "specked.png"}) {
    EXPECT_TRUE(Same(Prepare(name, AllOff()).image, GrayImage(name))) << name;
  }
}

TEST(PreparationTest, SmallTextIsEnlarged) {
  const PreparedImage prepared = Prepare("small.png");

  EXPECT_GT(prepared.scale, 2.5);
  EXPECT_LE(prepared.scale, 4);
  EXPECT_NEAR(prepared.image.cols, GrayImage("small.png").cols * prepared.scale, 1);
  EXPECT_FALSE(prepared.is_flattened);
  EXPECT_FALSE(prepared.is_despeckled);
  EXPECT_EQ(prepared.slant_degrees, 0);
}

TEST(PreparationTest, EnlargingKeepsWithinTheLimitOnPixels) {
  const cv::Mat image = GrayImage("small.png");
  OcrOptions options;
  options.max_pixels = static_cast<int64_t>(image.total()) * 2;

  const PreparedImage prepared = PrepareImage(image, options).value();

  EXPECT_GT(prepared.scale, 1.3);
  EXPECT_LE(prepared.image.total(), static_cast<size_t>(options.max_pixels) * 101 / 100);
}

TEST(PreparationTest, EnlargingCanBeForced) {
  OcrOptions options;
  options.upscale = Preparation::kOn;

  EXPECT_GT(Prepare("sentence.png", options).scale, 1.3);
  EXPECT_EQ(Prepare("blank.png", options).scale, 2);
}

TEST(PreparationTest, UnlevelLightIsEvenedOut) {
  for (const char* name : {"unlevel.png", "unlevel_dark.png"}) {
    const PreparedImage prepared = Prepare(name);

    EXPECT_TRUE(prepared.is_flattened) << name;
    EXPECT_EQ(FindInkShade(prepared.image), InkShade::kDark) << name;
    EXPECT_LT(Unevenness(EstimateBackground(prepared.image, InkShade::kDark)), 0.1) << name;
  }
}

TEST(PreparationTest, EveningOutCanBeForced) {
  OcrOptions options;
  options.background = Preparation::kOn;

  EXPECT_TRUE(Prepare("sentence.png", options).is_flattened);
}

TEST(PreparationTest, SlantedLinesAreTurnedLevel) {
  for (const auto& [name, degrees] : {std::pair("rising.png", 4.0), {"falling.png", -4.0}}) {
    const PreparedImage prepared = Prepare(name);

    EXPECT_NEAR(prepared.slant_degrees, degrees, 0.2) << name;
    const cv::Mat ink = FindInk(prepared.image);
    EXPECT_NEAR(FindSlant(ink, MeasureInk(ink).text_height), 0, 0.2) << name;
  }
}

TEST(PreparationTest, SpecksAreTakenAway) {
  const PreparedImage prepared = Prepare("specked.png");

  EXPECT_TRUE(prepared.is_despeckled);
  EXPECT_LT(MeasureInk(FindInk(prepared.image)).specks,
            MeasureInk(FindInk(GrayImage("specked.png"))).specks / 10);
}

TEST(PreparationTest, NothingButNoiseIsKnownForIt) {
  OcrOptions options;
  options.despeckle = Preparation::kOff;

  EXPECT_TRUE(Prepare("much_noise.png", options).is_noise);
  EXPECT_FALSE(Prepare("specked.png", options).is_noise);
}

TEST(PreparationTest, TooManyMarksAreRefused) {
  const absl::Status status = PrepareImage(GrayImage("marks.png"), {}).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.ToString(), HasSubstr("122500 separate marks, and at most 100000"));
}

TEST(PreparationTest, ImagesTooLongAreShrunk) {
  const PreparedImage prepared = Prepare("strip.png");

  EXPECT_LE(prepared.image.cols, 32767);
  const cv::Rect whole =
      ToOriginal(prepared, {0, 0, prepared.image.cols, prepared.image.rows}, cv::Size(40'000, 60));
  EXPECT_NEAR(whole.width, 40'000, 10);
  EXPECT_NEAR(whole.height, 60, 2);
}

TEST(PreparationTest, BoxesComeBackToWhereTheyWere) {
  // A black square beside slanted text: it is found on the prepared image, then mapped back.
  cv::Mat image = GrayImage("rising.png");
  cv::copyMakeBorder(image, image, 40, 40, 60, 60, cv::BORDER_CONSTANT, 255);
  const cv::Rect square(10, 20, 14, 14);
  image(square) = 0;
  OcrOptions options;
  options.upscale = Preparation::kOn;
  const PreparedImage prepared = PrepareImage(image, options).value();
  ASSERT_GT(prepared.scale, 1.3);
  ASSERT_GT(prepared.slant_degrees, 3);
  const cv::Vec2d corner(square.x + 7, square.y + 7);
  cv::Mat there;
  cv::invertAffineTransform(prepared.to_original, there);
  const cv::Matx23d to_prepared(there);
  const cv::Vec2d at = to_prepared * cv::Vec3d(corner[0], corner[1], 1);

  EXPECT_LT(prepared.image.at<uchar>(static_cast<int>(at[1]), static_cast<int>(at[0])), 30);
  const cv::Rect back = ToOriginal(
      prepared, {static_cast<int>(at[0]) - 2, static_cast<int>(at[1]) - 2, 4, 4}, image.size());
  EXPECT_TRUE(square.contains((back.tl() + back.br()) / 2)) << back;
}

TEST(PreparationTest, BoxesEndWithTheImage) {
  const PreparedImage prepared{.image = cv::Mat(10, 10, CV_8UC1), .scale = 1};

  EXPECT_EQ(ToOriginal(prepared, {-5, -5, 100, 100}, {10, 8}), cv::Rect(0, 0, 10, 8));
}

TEST(MeasuresTest, InkDiffersFromItsSurroundings) {
  EXPECT_EQ(FindInkShade(GrayImage("sentence.png")), InkShade::kDark);
  EXPECT_EQ(FindInkShade(GrayImage("unlevel.png")), InkShade::kDark);
  EXPECT_EQ(FindInkShade(GrayImage("dark.png")), InkShade::kLight);
  EXPECT_EQ(FindInkShade(GrayImage("unlevel_dark.png")), InkShade::kLight);
}

TEST(MeasuresTest, TextHeightIsThatOfTheLetters) {
  // Small letters of the font are half as high as its size, the tall ones three quarters.
  const InkPieces pieces = MeasureInk(FindInk(GrayImage("paragraph.png")));

  EXPECT_GE(pieces.text_height, 14);
  EXPECT_LE(pieces.text_height, 21);
  EXPECT_GT(pieces.letters, 100);
  EXPECT_EQ(MeasureInk(FindInk(GrayImage("blank.png"))).text_height, 0);
}

TEST(MeasuresTest, OnlyUnlevelLightIsUneven) {
  const auto unevenness = [](const char* name, InkShade ink) {
    return Unevenness(EstimateBackground(GrayImage(name), ink));
  };
  EXPECT_LT(unevenness("paragraph.png", InkShade::kDark), 0.05);
  EXPECT_LT(unevenness("dark.png", InkShade::kLight), 0.05);
  EXPECT_GT(unevenness("unlevel.png", InkShade::kDark), 0.5);
  EXPECT_GT(unevenness("unlevel_dark.png", InkShade::kLight), 0.5);
}

}  // namespace
}  // namespace tiffin::worker
