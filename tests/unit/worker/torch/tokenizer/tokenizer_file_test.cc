#include "worker/torch/tokenizer/tokenizer_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <utility>

#include "tests/unit/worker/torch/tokenizer/tiny_tokenizer.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A file in a folder of its own, removed at the end.
class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string name = (std::filesystem::temp_directory_path() / "tokenizer-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~FileTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path Write(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return folder_ / name;
  }

  std::filesystem::path folder_;
};

using TokenizerJsonTest = FileTest;
using VocabularyTest = FileTest;

struct Refusal {
  const char* name;
  // What the file has at this place.
  const char* pointer;
  const char* value;
  const char* message;
};

class RefusedTokenizerTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusedTokenizerTest, IsNamedInTheError) {
  json file = TinyTokenizer();
  file[nlohmann::json::json_pointer(GetParam().pointer)] = nlohmann::json::parse(GetParam().value);

  const absl::StatusOr<TokenizerSpec> spec = ParseTokenizerJson(file);

  EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument) << spec.status();
  EXPECT_THAT(std::string(spec.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, RefusedTokenizerTest,
    ::testing::Values(
        Refusal{"Bpe", "/model/type", R"("BPE")", "model is BPE, and only WordPiece"},
        Refusal{"Unigram", "/model/type", R"("Unigram")", "model is Unigram"},
        Refusal{"ModelOfNoType", "/model/type", "null", "model is of no type"},
        Refusal{"NoModel", "/model", "null", "model is none"},
        Refusal{"NoVocabulary", "/model/vocab", "[]", "no 'vocab'"},
        Refusal{"NoUnknownToken", "/model/unk_token", R"("<unk>")", "no token '<unk>'"},
        Refusal{"TokenWithoutNumber", "/model/vocab/good", R"("4")", "'good' is \"4\""},
        Refusal{"NegativeNumber", "/model/vocab/good", "-4", "'good' is -4"},
        Refusal{"NormalizerSequence", "/normalizer", R"({"type": "Sequence"})",
                "normalizer is Sequence, and only BertNormalizer"},
        Refusal{"NoNormalizer", "/normalizer", "null", "normalizer is none"},
        Refusal{"NormalizerFlag", "/normalizer/lowercase", "1", "'lowercase' is 1"},
        Refusal{"PreTokenizer", "/pre_tokenizer/type", R"("ByteLevel")",
                "pre_tokenizer is ByteLevel, and only BertPreTokenizer"},
        Refusal{"PostProcessor", "/post_processor/type", R"("RobertaProcessing")",
                "post_processor is RobertaProcessing"},
        Refusal{"NoPostProcessor", "/post_processor", "null", "post_processor is none"},
        Refusal{"UnknownSpecial", "/post_processor/single/0/SpecialToken/id", R"("<s>")", "'<s>'"},
        Refusal{"TypeIds", "/post_processor/single/2/SpecialToken/type_id", "1", "type_id"},
        Refusal{"OtherSequence", "/post_processor/single/1/Sequence/id", R"("B")", "sequence A"},
        Refusal{"NoSpecials", "/post_processor/single", R"([{"Sequence": {"id": "A"}}])",
                "no special token"},
        Refusal{"TruncationLeft", "/truncation/direction", R"("Left")", "from the Left"},
        Refusal{"TruncationLength", "/truncation/max_length", "-1", "max_length is -1"},
        Refusal{"PaddingLeft", "/padding", R"({"direction": "Left", "pad_id": 0})", "at the Left"},
        Refusal{"AddedTokenOfTwoNumbers", "/added_tokens/1/id", "4", "'[SEP]' is 4"},
        Refusal{"AddedTokens", "/added_tokens", "{}", "'added_tokens'"}),
    [](const auto& refusal) { return refusal.param.name; });

TEST(TokenizerJsonContentTest, WhatIsLeftOutHasItsDefault) {
  json file = TinyTokenizer();
  file.erase("truncation");
  file.erase("added_tokens");
  file["normalizer"] = {{"type", "BertNormalizer"}, {"lowercase", false}};
  file["post_processor"] = {
      {"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}};

  const absl::StatusOr<TokenizerSpec> spec = ParseTokenizerJson(file);

  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_FALSE(spec->max_length.has_value());
  EXPECT_TRUE(spec->normalizer.clean_text);
  EXPECT_FALSE(spec->normalizer.strip_accents) << "as lowercase is";
  EXPECT_THAT(spec->around.before, ElementsAre(2));
  EXPECT_THAT(spec->around.after, ElementsAre(3));
  EXPECT_EQ(spec->padding, 0);
}

TEST(TokenizerJsonContentTest, ThePaddingIsTheFilesOwn) {
  json file = TinyTokenizer();
  file["padding"] = {{"direction", "Right"}, {"pad_id", 5}};
  EXPECT_EQ(ParseTokenizerJson(file)->padding, 5);
}

TEST_F(TokenizerJsonTest, IsReadFromItsFile) {
  const absl::StatusOr<TokenizerSpec> spec =
      ReadTokenizerJson(Write("tokenizer.json", TinyTokenizer().dump()));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->model.vocabulary.size(), 13U);
  EXPECT_EQ(spec->max_length, 16);
}

TEST_F(TokenizerJsonTest, AFileOfAnotherKindIsNamed) {
  for (const char* content : {"", "not json", "[1, 2]", R"({"a": 1})", "\xFF\xFE"}) {
    const auto spec = ReadTokenizerJson(Write("tokenizer.json", content));
    EXPECT_THAT(std::string(spec.status().message()),
                AllOf(HasSubstr("tokenizer.json'"), HasSubstr("save_pretrained")));
  }
  EXPECT_THAT(std::string(ReadTokenizerJson(folder_ / "none.json").status().message()),
              HasSubstr("none.json'"));
}

TEST_F(VocabularyTest, TokensAreNumberedByTheirLines) {
  const auto file = Write("vocab.txt", "[PAD]\n[UNK]\r\n[CLS]\n[SEP]\n\ngood \nbad");

  const absl::StatusOr<TokenizerSpec> spec = ReadVocabulary(file, LetterCase::kLowered);

  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->model.vocabulary.at("good"), 5);
  EXPECT_EQ(spec->model.vocabulary.at("bad"), 6);
  EXPECT_EQ(spec->model.unknown, 1);
  EXPECT_THAT(spec->around.before, ElementsAre(2));
  EXPECT_THAT(spec->around.after, ElementsAre(3));
  EXPECT_TRUE(spec->normalizer.lowercase && spec->normalizer.strip_accents);
  EXPECT_FALSE(spec->max_length.has_value());
  EXPECT_EQ(spec->added_tokens.size(), 4U);
  const auto cased = ReadVocabulary(file, LetterCase::kKept);
  EXPECT_FALSE(cased->normalizer.lowercase || cased->normalizer.strip_accents);
}

TEST_F(VocabularyTest, AFileWithoutTheSpecialTokensIsRefused) {
  const auto spec =
      ReadVocabulary(Write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\ngood\n"), LetterCase::kLowered);
  EXPECT_THAT(std::string(spec.status().message()),
              AllOf(HasSubstr("vocab.txt'"), HasSubstr("'[SEP]'")));
}

}  // namespace
}  // namespace tiffin::worker
