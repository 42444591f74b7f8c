// A text for a small tokenizer of BERT's kind. Gateway and worker agree on what is UTF-8, a worker
// takes just the longest beginning that is; the tokens of a cut text are the first ones of the
// whole, between the same special tokens; and a text is not longer in tokens than in bytes.
#include <algorithm>
#include <string>
#include <vector>

#include "gateway/api/text.h"
#include "tests/fuzz/memory_file.h"
#include "worker/torch/tokenizer/tokenizer_file.h"
#include "worker/torch/tokenizer/unicode.h"

namespace tiffin::worker {
namespace {

using fuzz::Require;

constexpr std::string_view kVocabulary =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nquick\nfox\nun\n##aff\n##able\na\nb\nc\n##a\n##b\n"
    "##c\n,\n.\n!\n\u6570\n\u5b57\ncafe\n##s\ne\n##e\n1\n##1\n";

Tokenizer MakeTokenizer(LetterCase letter_case) {
  const fuzz::MemoryFile file(kVocabulary);
  return Tokenizer::Create(ReadVocabulary(file.path(), letter_case).value()).value();
}

void CheckTokens(const Tokenizer& tokenizer, std::string_view text) {
  const size_t special = tokenizer.special_tokens();
  const std::vector<int64_t> all = tokenizer.Encode(text, text.size() * 4 + special + 1);
  Require(all.size() <= text.size() * 4 + special, "a text has not more tokens than it can have");
  Require(all.front() == 2 && all.back() == 3, "the special tokens stand around a text");
  for (const int64_t id : all) {
    Require(id >= 0 && id <= tokenizer.last_id(), "a token's number is known");
  }
  for (const size_t room : {1U, 2U, 7U}) {
    std::vector<int64_t> cut = tokenizer.Encode(text, special + room);
    const size_t kept = std::min(room, all.size() - special);
    Require(cut.size() == kept + special, "a text is cut where the room ends");
    Require(std::equal(cut.begin(), cut.end() - 1, all.begin()) && cut.back() == all.back(),
            "a cut text begins as the whole");
  }
}

void Check(std::string_view input) {
  static const Tokenizer lowered = MakeTokenizer(LetterCase::kLowered);
  static const Tokenizer kept = MakeTokenizer(LetterCase::kKept);
  const size_t valid = ValidUtf8Size(input);
  Require(valid <= input.size(), "what is UTF-8 of a text is a part of it");
  Require(gateway::IsValidUtf8(input) == (valid == input.size()),
          "gateway and worker agree on what is UTF-8");
  const std::string_view text = input.substr(0, valid);
  Require(gateway::IsValidUtf8(text), "the part that is UTF-8 is");
  CheckTokens(lowered, text);
  CheckTokens(kept, text);
}

}  // namespace
}  // namespace tiffin::worker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::worker::Check(tiffin::fuzz::Input(data, size).Rest());
  return 0;
}
