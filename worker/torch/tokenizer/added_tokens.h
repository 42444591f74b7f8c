#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/torch/tokenizer/string_map.h"

namespace tiffin::worker {

// A token that is found in the text as it stands, before words are: "[SEP]", for instance.
struct AddedToken {
  std::string content;
  int64_t id = 0;
  // Only where no letter or digit touches it.
  bool single_word = false;
  // It takes the white space before or after it.
  bool strips_left = false;
  bool strips_right = false;
  // Looked for in the normal form of the text.
  bool normalized = false;
};

// Finds added tokens: the leftmost first, of those that begin at the same place the longest. Any
// number of threads may use it at the same time.
class AddedTokens {
 public:
  // Text, or one added token.
  struct Part {
    std::string_view text;
    std::optional<int64_t> id;
  };

  // A text taken apart, as far as one asks. Both must outlive it.
  class Parts {
   public:
    Parts(const AddedTokens& tokens, std::string_view text) : tokens_(tokens), text_(text) {}

    // nullopt at the end. No text is empty.
    std::optional<Part> Next();

   private:
    const AddedTokens& tokens_;
    std::string_view text_;
    // Where the rest begins, and where the next token may.
    size_t rest_ = 0;
    size_t search_ = 0;
    // A token that follows the part given last.
    std::optional<int64_t> pending_;
  };

  // No content is empty.
  explicit AddedTokens(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

 private:
  // The token that begins at `position`.
  const AddedToken* FindAt(std::string_view text, size_t position) const;

  std::vector<AddedToken> tokens_;
  // Content to index in tokens_.
  StringMap by_content_;
  // The sizes of the contents that begin with a byte, the largest first.
  std::array<std::vector<size_t>, 256> sizes_;
};

}  // namespace tiffin::worker
