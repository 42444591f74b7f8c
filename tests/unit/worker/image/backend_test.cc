#include "worker/image/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "common/strings.h"
#include "tests/unit/worker/backend_config.h"
#include "tests/unit/worker/memory_outputs.h"
#include "tests/unit/worker/read_only_inputs.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string Image(const std::string& name) {
  std::ifstream stream(std::string(TIFFIN_FIXTURES "/image/") + name, std::ios::binary);
  if (!stream) ADD_FAILURE() << "no fixture " << name;
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::unique_ptr<Backend> Make(const json& options) {
  absl::StatusOr<std::unique_ptr<Backend>> backend = CreateImageBackend(OptionsConfig(options));
  if (!backend.ok()) ADD_FAILURE() << backend.status();
  return backend.ok() ? *std::move(backend) : nullptr;
}

absl::Status RunOn(Backend& backend, const std::vector<std::string>& images,
                   MemoryOutputs& outputs) {
  const bool batchable = backend.signature().at("run").batchable;
  const auto rows = static_cast<int64_t>(images.size());
  ReadOnlyInputs inputs;
  inputs.AddElements(batchable ? Shape{rows} : Shape{}, images);
  return inputs.Run(backend, outputs, rows);
}

// The features of one image, and their shape without rows.
struct Features {
  std::vector<float> values;
  Shape shape;
};
Features FeaturesOf(const std::string& image, const json& options) {
  const auto backend = Make(options);
  MemoryOutputs outputs;
  const absl::Status status = RunOn(*backend, {image}, outputs);
  if (!status.ok()) {
    ADD_FAILURE() << status;
    return {};
  }
  Features features{outputs.Values<float>(0), outputs.at(0).shape};
  if (options.contains("size")) features.shape.erase(features.shape.begin());
  return features;
}

// The error for `image`, which must be the caller's.
std::string ErrorOf(const std::string& image, const json& options = json::object()) {
  const auto backend = Make(options);
  MemoryOutputs outputs;
  const absl::Status status = RunOn(*backend, {image}, outputs);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return status.ToString();
}

TEST(ImageBackendTest, GrayPixelsComeScaledAndFlat) {
  const Features features =
      FeaturesOf(Image("gray.png"),
                 {{"color", "gray"}, {"size", {8, 8}}, {"scale", 0.0625}, {"layout", "flat"}});

  EXPECT_EQ(features.shape, Shape({64}));
  ASSERT_THAT(features.values, SizeIs(64));
  for (size_t i = 0; i < 64; ++i) {
    EXPECT_FLOAT_EQ(features.values[i], static_cast<float>(i) * 0.25F);
  }
}

TEST(ImageBackendTest, SignatureFollowsTheOptions) {
  const MethodSignature fixed =
      Make({{"color", "gray"}, {"size", {8, 4}}, {"layout", "flat"}})->signature().at("run");
  EXPECT_TRUE(fixed.batchable);
  EXPECT_EQ(fixed.inputs[0], (TensorSpec{"image", SingleType(ValueKind::kImage)}));
  EXPECT_EQ(fixed.outputs[0], (TensorSpec{"features", TensorType(DataType::kFp32, {32})}));

  const MethodSignature open = Make(json::object())->signature().at("run");
  EXPECT_FALSE(open.batchable);
  EXPECT_EQ(open.outputs[0].type, TensorType(DataType::kFp32, {-1, -1, 3}));
  EXPECT_EQ(Make({{"layout", "chw"}, {"size", {8, 4}}})->signature().at("run").outputs[0].type,
            TensorType(DataType::kFp32, {3, 4, 8}));
  EXPECT_EQ(Make({{"layout", "flat"}})->signature().at("run").outputs[0].type,
            TensorType(DataType::kFp32, {-1}));
}

TEST(ImageBackendTest, ColorsAndLayoutsComeInTheOrderAsked) {
  for (const char* name : {"color.png", "color.bmp", "color.webp"}) {
    const std::string image = Image(name);
    const Features rgb = FeaturesOf(image, json::object());
    EXPECT_EQ(rgb.shape, Shape({2, 3, 3})) << name;
    EXPECT_EQ(std::vector<float>(rgb.values.begin(), rgb.values.begin() + 3),
              std::vector<float>({200, 100, 50}));
    EXPECT_EQ(std::vector<float>(rgb.values.end() - 3, rgb.values.end()),
              std::vector<float>({0, 0, 255}));
    const Features bgr = FeaturesOf(image, {{"color", "bgr"}});
    EXPECT_EQ(std::vector<float>(bgr.values.end() - 3, bgr.values.end()),
              std::vector<float>({255, 0, 0}));
    const Features planes = FeaturesOf(image, {{"layout", "chw"}});
    EXPECT_EQ(planes.shape, Shape({3, 2, 3}));
    EXPECT_THAT(planes.values, ElementsAre(200, 200, 200, 200, 200, 0,  //
                                           100, 100, 100, 100, 100, 0,  //
                                           50, 50, 50, 50, 50, 255));
    const Features gray = FeaturesOf(image, {{"color", "gray"}});
    EXPECT_EQ(gray.shape, Shape({2, 3, 1}));
    EXPECT_FLOAT_EQ(gray.values.front(), 124);  // 0.299 R + 0.587 G + 0.114 B.
    EXPECT_FLOAT_EQ(gray.values.back(), 29);
  }
}

TEST(ImageBackendTest, GrayImagesBecomeColors) {
  const Features rgb = FeaturesOf(Image("one.png"), json::object());

  EXPECT_EQ(rgb.shape, Shape({1, 1, 3}));
  EXPECT_THAT(rgb.values, ElementsAre(128, 128, 128));
}

TEST(ImageBackendTest, OnePixelIsResizedToAll) {
  const Features features = FeaturesOf(
      Image("one.png"), {{"color", "gray"}, {"size", {8, 8}}, {"layout", "flat"}, {"scale", 0.5}});

  EXPECT_THAT(features.values, AllOf(SizeIs(64), Each(64)));
}

TEST(ImageBackendTest, ShrinkingAveragesAreas) {
  // 0 4 8 ... in rows of 8: each quarter of 4x4 pixels averages its own.
  const Features features = FeaturesOf(Image("gray.png"), {{"color", "gray"}, {"size", {2, 2}}});

  EXPECT_THAT(features.values, ElementsAre(54, 70, 182, 198));
}

TEST(ImageBackendTest, OneSideMayShrinkWhileTheOtherGrows) {
  const Features features =
      FeaturesOf(Image("gray.png"), {{"color", "gray"}, {"size", {1, 16}}, {"layout", "chw"}});

  EXPECT_EQ(features.shape, Shape({1, 16, 1}));
  EXPECT_FLOAT_EQ(features.values.front(), 14);  // The first row's mean.
  EXPECT_FLOAT_EQ(features.values.back(), 238);  // The last row's.
}

TEST(ImageBackendTest, SixteenBitsBecomeEight) {
  EXPECT_THAT(FeaturesOf(Image("deep.png"), {{"color", "gray"}}).values, ElementsAre(0, 128, 255));
}

TEST(ImageBackendTest, TransparentPixelsLieOverWhite) {
  for (const char* name : {"alpha.png", "alpha.webp", "palette.png"}) {
    EXPECT_THAT(FeaturesOf(Image(name), json::object()).values,
                ElementsAre(255, 255, 255, 255, 0, 0))
        << name;
  }
}

TEST(ImageBackendTest, PhotographsAreTurnedAsExifSays) {
  for (const char* name : {"turned.jpg", "turned.png"}) {
    const Features features = FeaturesOf(Image(name), {{"color", "gray"}});

    EXPECT_EQ(features.shape, Shape({32, 16, 1})) << name;
    EXPECT_NEAR(features.values.front(), 255, 3);
    EXPECT_NEAR(features.values.back(), 0, 3);
  }
}

TEST(ImageBackendTest, ProgressiveAndCmykAndTrailingBytesAreRead) {
  EXPECT_EQ(FeaturesOf(Image("progressive.jpg"), {{"color", "gray"}}).shape, Shape({16, 32, 1}));
  EXPECT_EQ(FeaturesOf(Image("cmyk.jpg"), json::object()).shape, Shape({8, 8, 3}));
  for (const char* name : {"png", "jpg", "webp", "bmp"}) {
    EXPECT_EQ(FeaturesOf(Image(std::string("trailing.") + name), {{"color", "gray"}}).values,
              FeaturesOf(Image(std::string("noise.") + name), {{"color", "gray"}}).values)
        << name;
  }
}

TEST(ImageBackendTest, RowsAreDecodedInTurn) {
  const auto backend = Make({{"color", "gray"}, {"size", {1, 1}}});
  MemoryOutputs outputs;

  ASSERT_TRUE(RunOn(*backend, {Image("one.png"), Image("gray.png")}, outputs).ok());

  EXPECT_EQ(outputs.at(0).shape, Shape({2, 1, 1, 1}));
  EXPECT_THAT(outputs.Values<float>(0), ElementsAre(128, 126));
}

TEST(ImageBackendTest, ABadRowIsNamed) {
  const auto backend = Make({{"size", {1, 1}}});
  MemoryOutputs outputs;

  const absl::Status status = RunOn(*backend, {Image("one.png"), "no image"}, outputs);

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.ToString(), HasSubstr("row 1: these 8 bytes are not an image"));
}

TEST(ImageBackendTest, WhatIsNoImageIsRefused) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("empty (zero bytes)"));
  EXPECT_THAT(ErrorOf("a text"), HasSubstr("send a PNG, JPEG, WebP or BMP"));
  EXPECT_THAT(ErrorOf(Image("gray.gif")), HasSubstr("send a PNG, JPEG, WebP or BMP"));
  EXPECT_THAT(ErrorOf(Image("gray.tiff")), HasSubstr("send a PNG, JPEG, WebP or BMP"));
}

TEST(ImageBackendTest, TruncatedImagesAreRefused) {
  for (const std::string form : {"png", "jpg", "webp", "bmp"}) {
    ErrorOf(Image("half." + form));
    ErrorOf(Image("unfinished." + form));
  }
  EXPECT_THAT(ErrorOf(Image("half.png")), HasSubstr("the PNG image is truncated"));
  EXPECT_THAT(ErrorOf(Image("half.jpg")), HasSubstr("the JPEG image is truncated"));
}

TEST(ImageBackendTest, EveryTruncationIsRefused) {
  for (const char* name : {"gray.png", "turned.jpg", "color.webp", "color.bmp"}) {
    const std::string whole = Image(name);
    const auto backend = Make(json::object());
    for (size_t size = 0; size < whole.size(); ++size) {
      MemoryOutputs outputs;
      const absl::Status status = RunOn(*backend, {whole.substr(0, size)}, outputs);
      ASSERT_EQ(status.code(), absl::StatusCode::kInvalidArgument)
          << name << " cut to " << size << " of " << whole.size() << ": " << status;
    }
  }
}

TEST(ImageBackendTest, StreamForErrorsIsWholeAgainAfterDecoding) {
  ErrorOf(Image("half.bmp"));

  ::testing::internal::CaptureStderr();
  std::cerr << "still here";
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "still here");
}

TEST(ImageBackendTest, DamagedDataIsRefused) {
  EXPECT_THAT(ErrorOf(Image("damaged.png")), HasSubstr("its data is corrupt"));
  EXPECT_THAT(ErrorOf(Image("zero.png")), HasSubstr("0 x 1 pixels"));
}

TEST(ImageBackendTest, RandomDamageNeverBreaksTheBackend) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(StrCat("seed ", seed));
  std::mt19937 random(seed);
  const auto backend = Make({{"size", {8, 8}}, {"max_pixels", 1 << 16}});
  for (const char* name : {"noise.png", "noise.jpg", "alpha.webp", "color.bmp", "palette.png"}) {
    for (int round = 0; round < 100; ++round) {
      std::string image = Image(name);
      for (int i = 0; i < 4; ++i) image[random() % image.size()] = static_cast<char>(random());
      MemoryOutputs outputs;
      const absl::Status status = RunOn(*backend, {image}, outputs);
      EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kInvalidArgument) << status;
    }
  }
}

TEST(ImageBackendTest, TooManyPixelsAreRefusedBeforeTheirMemoryIsSpent) {
  rusage before{};
  getrusage(RUSAGE_SELF, &before);

  for (const char* name : {"huge.png", "huge.jpg", "huge.webp"}) {
    EXPECT_THAT(ErrorOf(Image(name)), HasSubstr("10000 x 10000 pixels, and at most 33554432"));
  }
  EXPECT_THAT(ErrorOf(Image("huge.bmp")), HasSubstr("100000 x 100000 pixels"));

  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 50 * 1024) << "KiB";
}

TEST(ImageBackendTest, TheLimitOnPixelsIsAnOption) {
  EXPECT_THAT(ErrorOf(Image("gray.png"), {{"max_pixels", 63}}), HasSubstr("at most 63"));
  EXPECT_THAT(FeaturesOf(Image("gray.png"), {{"max_pixels", 64}, {"color", "gray"}}).values,
              SizeIs(64));
}

TEST(ImageBackendTest, AnimationsAreRefused) {
  EXPECT_THAT(ErrorOf(Image("animated.png")), HasSubstr("animation"));
  EXPECT_THAT(ErrorOf(Image("animated.webp")), HasSubstr("animation"));
}

TEST(ImageBackendTest, WrongOptionsAreNamedWithTheFix) {
  const auto error = [](const json& options) {
    return CreateImageBackend(OptionsConfig(options)).status().ToString();
  };
  EXPECT_THAT(error({{"colour", "gray"}}), HasSubstr("unknown option 'colour'; the options are"));
  EXPECT_THAT(error({{"color", "red"}}),
              HasSubstr("'color' is \"red\"; it must be gray, rgb or bgr"));
  EXPECT_THAT(error({{"size", {8}}}), HasSubstr("'size' is [8]; it must be [width, height]"));
  EXPECT_THAT(error({{"size", {0, 8}}}), HasSubstr("'size'"));
  EXPECT_THAT(error({{"scale", "1"}}), HasSubstr("'scale' is \"1\"; it must be a number"));
  EXPECT_THAT(error({{"layout", 1}}), HasSubstr("'layout' is 1; it must be flat, hwc or chw"));
  EXPECT_THAT(error({{"max_pixels", 0}}), HasSubstr("'max_pixels'"));
  EXPECT_THAT(CreateImageBackend(ModelConfig("/models/x/1", "x")).status().ToString(),
              HasSubstr("takes no model"));
}

}  // namespace
}  // namespace tiffin::worker
