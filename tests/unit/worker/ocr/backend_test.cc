#include "worker/ocr/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/strings.h"
#include "tests/unit/worker/backend_config.h"
#include "tests/unit/worker/memory_outputs.h"
#include "tests/unit/worker/ocr/images.h"
#include "tests/unit/worker/read_only_inputs.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;
using ::testing::AnyOf;
using ::testing::HasSubstr;

std::unique_ptr<Backend> Make(const json& options = json::object(), int threads = 1) {
  BackendConfig config = OptionsConfig(options);
  config.threads = threads;
  absl::StatusOr<std::unique_ptr<Backend>> backend = CreateOcrBackend(config);
  if (!backend.ok()) ADD_FAILURE() << backend.status();
  return backend.ok() ? *std::move(backend) : nullptr;
}

// The one element of an output.
std::string Element(const MemoryOutputs& outputs, size_t index) {
  EXPECT_TRUE(ValidateTensor(outputs.at(index)).ok());
  const auto elements = ParseBytesElements(outputs.at(index).bytes);
  return elements.ok() && elements->size() == 1 ? std::string(elements->front()) : "(no element)";
}

absl::StatusOr<std::string> TextOf(Backend& backend, const std::string& image) {
  ReadOnlyInputs inputs;
  inputs.AddElements({1}, {image});
  MemoryOutputs outputs;
  const absl::Status status = inputs.Run(backend, outputs);
  if (!status.ok()) return status;
  EXPECT_EQ(outputs.size(), 1);
  return Element(outputs, 0);
}

// The error for `image`, which must be the caller's.
std::string ErrorOf(const std::string& image, const json& options = json::object()) {
  const auto text = TextOf(*Make(options), image);
  EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument) << text.status();
  return text.status().ToString();
}

json WordsOf(Backend& backend, const std::string& image) {
  ReadOnlyInputs inputs;
  inputs.AddElements({1}, {image});
  MemoryOutputs outputs;
  const absl::Status status = inputs.Run(backend, outputs, 1, "words");
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(outputs.size(), 2);
  return {{"text", Element(outputs, 0)}, {"words", json::parse(Element(outputs, 1))}};
}

TEST(OcrBackendTest, SignatureHasTextAndWords) {
  const Signature signature = Make()->signature();

  ASSERT_EQ(signature.size(), 2);
  const MethodSignature& run = signature.at("run");
  EXPECT_EQ(run.inputs, (std::vector<TensorSpec>{{"image", SingleType(ValueKind::kImage)}}));
  EXPECT_EQ(run.outputs, (std::vector<TensorSpec>{{"text", SingleType(ValueKind::kText)}}));
  EXPECT_FALSE(run.batchable);
  EXPECT_TRUE(run.retry_safe);
  const MethodSignature& words = signature.at("words");
  EXPECT_EQ(words.outputs[1], (TensorSpec{"words", SingleType(ValueKind::kJson)}));
}

TEST(OcrBackendTest, ASentenceIsReadFromEveryFormat) {
  const auto backend = Make();
  for (const char* name : {"sentence.png", "sentence.jpg", "sentence.webp", "sentence.bmp",
                           "transparent.png", "sideways.jpg", "dark.png"}) {
    EXPECT_EQ(TextOf(*backend, ReadImage(name)).value(), Expected()["sentence"]) << name;
  }
}

TEST(OcrBackendTest, BarsAndLettersThatLookLikeThemAreToldApart) {
  EXPECT_EQ(TextOf(*Make(), ReadImage("bars.png")).value(),
            "I think that I'm glad, and so I said it.\nleft | middle | right");
}

TEST(OcrBackendTest, LinesStayLines) {
  EXPECT_EQ(TextOf(*Make(), ReadImage("paragraph.png")).value(), Expected()["paragraph"]);
}

// How many letters are to be changed, added or taken away to get from one text to the other.
size_t EditDistance(const std::string& one, const std::string& two) {
  std::vector<size_t> row(two.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < one.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < two.size(); ++j) {
      const size_t changed = diagonal + (one[i] == two[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

TEST(OcrBackendTest, WhatPoorImagesNeedIsDoneByItself) {
  const std::string paragraph = Expected()["paragraph"];
  const auto backend = Make();
  for (const char* name :
       {"unlevel.png", "unlevel_dark.png", "rising.png", "falling.png", "specked.png"}) {
    EXPECT_EQ(TextOf(*backend, ReadImage(name)).value(), paragraph) << name;
  }
  // It is a matter of pixels whether a comma can be seen.
  EXPECT_LE(EditDistance(TextOf(*backend, ReadImage("small.png")).value(), paragraph), 4);
}

TEST(OcrBackendTest, PoorImagesAreReadPoorlyWithoutIt) {
  const std::string paragraph = Expected()["paragraph"];
  const auto plain = Make({{"upscale", "off"},
                           {"background", "off"},
                           {"despeckle", "off"},
                           {"deskew", "off"},
                           {"min_confidence", 0}});
  for (const char* name : {"small.png", "unlevel.png", "rising.png", "specked.png"}) {
    EXPECT_GT(EditDistance(TextOf(*plain, ReadImage(name)).value(), paragraph), 4) << name;
  }
}

TEST(OcrBackendTest, WordsLieWhereTheyWereDrawn) {
  const json read = WordsOf(*Make(), ReadImage("sentence.png"));

  EXPECT_EQ(read["text"], Expected()["sentence"]);
  const json boxes = Expected()["boxes"];
  ASSERT_EQ(read["words"].size(), boxes.size());
  std::string joined;
  for (size_t i = 0; i < boxes.size(); ++i) {
    const json& word = read["words"][i];
    joined += (i == 0 ? "" : " ") + word["text"].get<std::string>();
    EXPECT_GT(word["confidence"], 0.8);
    EXPECT_LE(word["confidence"], 1);
    const json& box = word["box"];
    EXPECT_NEAR(box[0].get<double>(), boxes[i][0].get<double>(), 4) << word;
    EXPECT_NEAR(box[1].get<double>(), boxes[i][1].get<double>(), 4) << word;
    EXPECT_NEAR(box[0].get<double>() + box[2].get<double>(), boxes[i][2].get<double>(), 4) << word;
    EXPECT_NEAR(box[1].get<double>() + box[3].get<double>(), boxes[i][3].get<double>(), 4) << word;
  }
  EXPECT_EQ(joined, read["text"]);
}

TEST(OcrBackendTest, AnImageWithoutTextHasEmptyText) {
  const auto backend = Make();
  for (const char* name :
       {"blank.png", "one.png", "tall.png", "wide.png", "noise.png", "much_noise.png"}) {
    const json read = WordsOf(*backend, ReadImage(name));
    EXPECT_EQ(read["text"], "") << name;
    EXPECT_EQ(read["words"], json::array()) << name;
  }
}

TEST(OcrBackendTest, EveryPageModeTakesEveryShape) {
  for (const char* mode :
       {"auto", "single_block", "single_column", "single_line", "single_word", "sparse_text"}) {
    const auto backend = Make({{"page_mode", mode}, {"upscale", "on"}, {"background", "on"}});
    for (const char* name : {"one.png", "tall.png", "blank.png"}) {
      EXPECT_TRUE(TextOf(*backend, ReadImage(name)).ok()) << mode << ", " << name;
    }
  }
}

TEST(OcrBackendTest, AnImageTooLongForALineIsRefusedWhereItWouldBeTakenForOne) {
  for (const char* mode : {"single_block", "single_line", "single_word"}) {
    EXPECT_THAT(ErrorOf(ReadImage("wide.png"), {{"page_mode", mode}}), HasSubstr("20000 x 1"));
  }
  for (const char* mode : {"auto", "single_column", "sparse_text"}) {
    EXPECT_EQ(TextOf(*Make({{"page_mode", mode}}), ReadImage("wide.png")).value(), "");
  }
}

TEST(OcrBackendTest, AVeryLongImageIsRead) {
  const json read = WordsOf(*Make({{"upscale", "off"}}), ReadImage("strip.png"));

  EXPECT_EQ(read["text"], Expected()["sentence"]);
  EXPECT_GE(read["words"][0]["box"][0], 39'000);
}

TEST(OcrBackendTest, DoubtfulLinesAreDropped) {
  EXPECT_EQ(TextOf(*Make({{"min_confidence", 1}}), ReadImage("paragraph.png")).value(), "");
}

TEST(OcrBackendTest, ReadingDoesNotDependOnWhatWasReadBefore) {
  const auto backend = Make({{"min_confidence", 0}});
  const json first = WordsOf(*backend, ReadImage("small.png"));

  for (const char* name : {"unlevel.png", "noise.png", "specked.png", "sentence.png"}) {
    WordsOf(*backend, ReadImage(name));
    EXPECT_EQ(WordsOf(*backend, ReadImage("small.png")), first) << "after " << name;
  }
}

TEST(OcrBackendTest, SeveralThreadsReadTheSameAsOne) {
  constexpr int kThreads = 4;
  const std::vector<std::string> names = {"sentence.png", "small.png", "unlevel.png", "rising.png",
                                          "sentence.jpg"};
  const auto backend = Make(json::object(), kThreads);
  ASSERT_EQ(backend->concurrency(), kThreads);
  std::vector<json> alone;
  for (const std::string& name : names) alone.push_back(WordsOf(*backend, ReadImage(name)));

  std::atomic<int> same = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < names.size(); ++i) {
        const size_t at = (i + static_cast<size_t>(t)) % names.size();
        if (WordsOf(*backend, ReadImage(names[at])) == alone[at]) ++same;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(same, kThreads * static_cast<int>(names.size()));
}

// Threads of this process now.
int CountThreads() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Threads:")) return std::stoi(line.substr(8));
  }
  return -1;
}

TEST(OcrBackendTest, ReadingStartsNoThreadsOfItsOwn) {
  const auto backend = Make();
  std::thread reader([&] {
    const int before = CountThreads();
    EXPECT_TRUE(TextOf(*backend, ReadImage("paragraph.png")).ok());
    // OpenMP keeps its threads for later.
    EXPECT_EQ(CountThreads(), before);
  });
  reader.join();
}

TEST(OcrBackendTest, AnAbandonedCallEndsEarly) {
  const auto backend = Make();
  const std::string image = ReadImage("long.png");
  std::string framed;
  AppendBytesElement(image, framed);
  const std::vector<TensorView> inputs = {{DataType::kBytes, {1}, AsBytes(framed)}};
  std::atomic<int> asked = 0;
  MemoryOutputs outputs;

  const absl::Status status = backend->Run(
      {.method = "run", .inputs = inputs, .abandoned = [&] { return ++asked > 20; }}, outputs);

  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  EXPECT_EQ(asked, 21);
  EXPECT_EQ(outputs.size(), 0);
  EXPECT_EQ(TextOf(*backend, ReadImage("sentence.png")).value(), Expected()["sentence"]);
}

TEST(OcrBackendTest, TheTimeLimitIsNamed) {
  const auto backend = Make({{"time_limit", "1ms"}});

  const absl::Status status = TextOf(*backend, ReadImage("long.png")).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.ToString(), HasSubstr("not read within 1ms"));
  EXPECT_THAT(status.ToString(), HasSubstr("'time_limit'"));
}

TEST(OcrBackendTest, WhatIsNoWholeImageIsRefused) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("empty (zero bytes)"));
  EXPECT_THAT(ErrorOf("a text"), HasSubstr("send a PNG, JPEG, WebP or BMP"));
  EXPECT_THAT(ErrorOf("%PDF-1.7"), HasSubstr("send a PNG, JPEG, WebP or BMP"));
  for (const char* name : {"sentence.png", "sentence.jpg", "sentence.webp"}) {
    const std::string whole = ReadImage(name);
    EXPECT_THAT(ErrorOf(whole.substr(0, whole.size() / 2)), HasSubstr("truncated")) << name;
  }
  const std::string bitmap = ReadImage("sentence.bmp");
  EXPECT_THAT(ErrorOf(bitmap.substr(0, bitmap.size() / 2)), HasSubstr("cannot be decoded"));
}

TEST(OcrBackendTest, TooManyPixelsAreRefused) {
  EXPECT_THAT(ErrorOf(ReadImage("huge.png")), HasSubstr("10000 x 10000 pixels, and at most"));
  EXPECT_THAT(ErrorOf(ReadImage("sentence.png"), {{"max_pixels", 100}}),
              HasSubstr("raise the option 'max_pixels'"));
}

TEST(OcrBackendTest, RandomDamageNeverBreaksTheBackend) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(StrCat("seed ", seed));
  std::mt19937 random(seed);
  const auto backend = Make();
  for (const char* name : {"sentence.png", "sentence.jpg", "sentence.webp", "sentence.bmp"}) {
    const std::string whole = ReadImage(name);
    for (int round = 0; round < 10; ++round) {
      std::string image = whole;
      for (int i = 0; i < 4; ++i) image[random() % image.size()] = static_cast<char>(random());
      const absl::StatusCode code = TextOf(*backend, image).status().code();
      EXPECT_THAT(code, AnyOf(absl::StatusCode::kOk, absl::StatusCode::kInvalidArgument)) << name;
    }
  }
}

TEST(OcrBackendTest, NothingIsSaidOnTheErrorStream) {
  const auto backend = Make({{"page_mode", "single_line"}});

  ::testing::internal::CaptureStderr();
  for (const char* name : {"one.png", "tall.png", "noise.png", "sentence.png"}) {
    EXPECT_TRUE(TextOf(*backend, ReadImage(name)).ok());
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(OcrBackendTest, TextWithoutRoomForItIsRefused) {
  const auto backend = Make();
  ReadOnlyInputs inputs;
  inputs.AddElements({1}, {ReadImage("sentence.png")});
  MemoryOutputs outputs(/*limit=*/10);

  EXPECT_EQ(inputs.Run(*backend, outputs).code(), absl::StatusCode::kResourceExhausted);
}

TEST(OcrBackendTest, WrongOptionsAndModelsAreRefused) {
  EXPECT_THAT(CreateOcrBackend(OptionsConfig({{"lang", "eng"}})).status().ToString(),
              HasSubstr("unknown option 'lang'"));
  EXPECT_THAT(CreateOcrBackend(ModelConfig("/models/x/1", "x")).status().ToString(),
              HasSubstr("takes no model"));
}

}  // namespace
}  // namespace tiffin::worker
