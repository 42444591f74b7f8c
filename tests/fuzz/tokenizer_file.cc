// A tokenizer's files, tokenizer.json and vocab.txt: the first byte says which. What is accepted
// makes a tokenizer whose tokens all have numbers from 0 to its last one, that stays within the
// length asked for, and whose special tokens stand around every text; what is refused says why.
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/fuzz/memory_file.h"
#include "worker/torch/tokenizer/tokenizer_file.h"

namespace tiffin::worker {
namespace {

using fuzz::Require;

// Words, letters with accents, Chinese, added tokens, and what is none of it.
constexpr std::string_view kTexts[] = {"", "the quick brown fox", "Caf\u00e9 [MASK] unaffable!",
                                       "\u6570\u5b57 [SEP] x[CLS]y",
                                       "a\u0301\u200d\ufffd \t\n ##ing"};

absl::StatusOr<TokenizerSpec> Read(uint8_t kind, std::string_view content) {
  if (kind % 4 == 0) {
    const fuzz::MemoryFile file(content);
    return ReadVocabulary(file.path(), LetterCase::kLowered);
  }
  if (kind % 4 == 1) {
    const fuzz::MemoryFile file(content);
    return ReadTokenizerJson(file.path());
  }
  return ParseTokenizerJson(nlohmann::json::parse(content, /*cb=*/nullptr,
                                                  /*allow_exceptions=*/false));
}

void CheckTexts(const Tokenizer& tokenizer) {
  Require(tokenizer.special_tokens() > 0, "an empty text has tokens too");
  Require(tokenizer.padding() >= 0, "the padding's number is not negative");
  for (const std::string_view text : kTexts) {
    for (const size_t room : {1U, 3U, 100U}) {
      const size_t max_length = tokenizer.special_tokens() + room;
      const std::vector<int64_t> ids = tokenizer.Encode(text, max_length);
      Require(ids.size() >= tokenizer.special_tokens() && ids.size() <= max_length,
              "a text has at most the tokens that were asked for");
      for (const int64_t id : ids) {
        Require(id >= 0 && id <= tokenizer.last_id(), "a token's number is known");
      }
    }
  }
}

void Check(fuzz::Input input) {
  const uint8_t kind = input.Byte();
  absl::StatusOr<TokenizerSpec> spec = Read(kind, input.Rest());
  if (!spec.ok()) {
    Require(absl::IsInvalidArgument(spec.status()) && !spec.status().message().empty(),
            "a refusal says why");
    return;
  }
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Create(*std::move(spec));
  Require(tokenizer.ok(), "what was accepted makes a tokenizer");
  CheckTexts(*tokenizer);
}

}  // namespace
}  // namespace tiffin::worker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::worker::Check(tiffin::fuzz::Input(data, size));
  return 0;
}
