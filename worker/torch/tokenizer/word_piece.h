#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "worker/torch/tokenizer/string_map.h"

namespace tiffin::worker {

struct WordPieceOptions {
  StringMap vocabulary;
  // Of the vocabulary: what stands for a word that it can't spell.
  int64_t unknown = 0;
  // What pieces within a word begin with in the vocabulary.
  std::string continuing_prefix = "##";
  // In characters; longer words are unknown.
  size_t max_word_length = 100;
};

// Spells words with the pieces of a vocabulary, the longest first. Any number of threads may use it
// at the same time.
class WordPiece {
 public:
  explicit WordPiece(WordPieceOptions options);

  // `word` is UTF-8 and not empty.
  void AppendPieces(std::string_view word, std::vector<int64_t>& ids) const;

 private:
  // Pieces, and the size in bytes of the longest.
  struct Pieces {
    StringMap ids;
    size_t longest = 0;
  };

  bool IsTooLong(std::string_view word) const;

  WordPieceOptions options_;
  Pieces first_;
  Pieces continuing_;
};

}  // namespace tiffin::worker
