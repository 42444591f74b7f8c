#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/torch/tokenizer/added_tokens.h"
#include "worker/torch/tokenizer/bert_normalizer.h"
#include "worker/torch/tokenizer/word_piece.h"

namespace tiffin::worker {

// What stands around every text, [CLS] and [SEP].
struct SpecialTokens {
  std::vector<int64_t> before;
  std::vector<int64_t> after;
};

// All that a tokenizer is made from; tokenizer_file.h reads it from a model's files.
struct TokenizerSpec {
  BertNormalizerOptions normalizer;
  WordPieceOptions model;
  std::vector<AddedToken> added_tokens;
  SpecialTokens around;
  // What rows shorter than others are filled up with.
  int64_t padding = 0;
  // In tokens, special ones included; nullopt if the files do not tell.
  std::optional<int64_t> max_length;
};

// Turns text into the numbers of BERT's WordPiece tokens, the same as Hugging Face's tokenizers
// give. Any number of threads may use it at the same time.
class Tokenizer {
 public:
  static absl::StatusOr<Tokenizer> Create(TokenizerSpec spec);

  // `text` is valid UTF-8 (ValidUtf8Size) of less than 2 GiB. The special tokens around it are
  // there in any case; of its own tokens the first that fit into `max_length`, which must leave
  // room for one. What comes after them is not looked at.
  std::vector<int64_t> Encode(std::string_view text, size_t max_length) const;

  size_t special_tokens() const { return before_.size() + after_.size(); }
  int64_t padding() const { return padding_; }
  std::optional<int64_t> max_length() const { return max_length_; }
  // The largest number that Encode gives.
  int64_t last_id() const { return last_id_; }

 private:
  Tokenizer(TokenizerSpec spec, Decomposer decomposer);

  // The tokens of a text, until there are `enough` in `ids`.
  void AppendText(std::string_view text, size_t enough, std::vector<int64_t>& ids) const;
  void AppendNormal(std::string_view normal, size_t enough, std::vector<int64_t>& ids) const;
  void AppendWords(std::string_view normal, size_t enough, std::vector<int64_t>& ids) const;

  BertNormalizer normalizer_;
  // Those found in the text as it is, and those found in its normal form.
  AddedTokens raw_tokens_;
  AddedTokens normal_tokens_;
  std::vector<int64_t> before_;
  std::vector<int64_t> after_;
  int64_t padding_;
  std::optional<int64_t> max_length_;
  int64_t last_id_;
  WordPiece model_;
};

}  // namespace tiffin::worker
