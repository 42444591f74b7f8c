#include "worker/torch/text_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/unit/worker/torch/text_model_config.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Error(const BackendConfig& config) {
  const absl::Status status = ReadTextOptions(config).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

BackendConfig WithOptions(json options, std::string tokenizer = "tokenizer.json") {
  BackendConfig config = TextConfig("Classifier.pt", std::move(tokenizer));
  config.options = std::move(options);
  return config;
}

TEST(TextOptionsTest, ATokenizersFileMakesATextModel) {
  EXPECT_TRUE(HasTokenizer(TextConfig("Classifier.pt", "tokenizer.json")));
  EXPECT_TRUE(HasTokenizer(TextConfig("Classifier.pt", "vocab.txt")));
  EXPECT_FALSE(HasTokenizer(TextConfig("Classifier.pt", "notes.txt")));
}

TEST(TextOptionsTest, TheLengthIsTheOptionElseTheTokenizers) {
  EXPECT_EQ(ReadTextOptions(WithOptions(json::object()))->max_length, 8U);
  EXPECT_EQ(ReadTextOptions(WithOptions({{"max_length", 5}}))->max_length, 5U);
  EXPECT_THAT(Error(WithOptions(json::object(), "vocab.txt")), HasSubstr("--option max_length=N"));
}

TEST(TextOptionsTest, AWrongLengthIsRefused) {
  for (const json& value : {json(-1), json(1.5), json("8"), json(nullptr), json(1 << 21)}) {
    EXPECT_THAT(Error(WithOptions({{"max_length", value}})),
                AllOf(HasSubstr("'max_length' is " + value.dump()),
                      HasSubstr("a whole number from 1 to 1048576")));
  }
  // With the two special ones that each text gets.
  EXPECT_THAT(Error(WithOptions({{"max_length", 2}})),
              AllOf(HasSubstr("'max_length' is 2"), HasSubstr("of tokens from 3 to 1048576")));
}

TEST(TextOptionsTest, AVocabularyHasItsLettersLoweredUnlessToldOtherwise) {
  const auto encode = [](const json& options) {
    return ReadTextOptions(WithOptions(options, "vocab.txt"))->tokenizer.Encode("Good", 8);
  };
  EXPECT_THAT(encode({{"max_length", 8}}), ElementsAre(2, 4, 3));
  EXPECT_THAT(encode({{"max_length", 8}, {"lowercase", true}}), ElementsAre(2, 4, 3));
  EXPECT_THAT(encode({{"max_length", 8}, {"lowercase", false}}), ElementsAre(2, 1, 3));
  EXPECT_THAT(Error(WithOptions({{"max_length", 8}, {"lowercase", "no"}}, "vocab.txt")),
              HasSubstr("'lowercase' is \"no\"; it must be true or false"));
  EXPECT_THAT(Error(WithOptions({{"lowercase", true}})), HasSubstr("tokenizer.json says itself"));
}

TEST(TextOptionsTest, AnUnknownOptionIsNamed) {
  EXPECT_THAT(Error(WithOptions({{"length", 8}})),
              AllOf(HasSubstr("unknown option 'length'"), HasSubstr("max_length")));
}

TEST(TextOptionsTest, AMissingFileIsNamed) {
  BackendConfig config = TextConfig("Classifier.pt");
  config.model_dir = "/nowhere";
  EXPECT_THAT(Error(config), HasSubstr("'/nowhere/tokenizer.json'"));
}

}  // namespace
}  // namespace tiffin::worker
