#pragma once

#include <string>
#include <string_view>

#include "worker/torch/tokenizer/unicode.h"

namespace tiffin::worker {

struct BertNormalizerOptions {
  // Drop controls; any white space becomes a space.
  bool clean_text = true;
  // Put each Chinese character between spaces.
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};

// What Hugging Face calls BertNormalizer. Any number of threads may use it at the same time.
class BertNormalizer {
 public:
  BertNormalizer(BertNormalizerOptions options, Decomposer decomposer);

  // `text` is UTF-8 of less than 2 GiB. Spaces, tabs and ends of lines may stand at either end of
  // it, or cut a longer text into pieces: the normal form of the whole is that of the pieces.
  std::string Normalize(std::string_view text) const;

 private:
  std::string NormalizeAscii(std::string_view text) const;
  std::string Clean(std::string_view text) const;

  BertNormalizerOptions options_;
  Decomposer decomposer_;
};

}  // namespace tiffin::worker
