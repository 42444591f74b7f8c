#include "worker/torch/tokenizer/word_piece.h"

#include <algorithm>
#include <utility>

namespace tiffin::worker {
namespace {

bool BeginsCharacter(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

}  // namespace

WordPiece::WordPiece(WordPieceOptions options) : options_(std::move(options)) {
  for (const auto& [token, id] : options_.vocabulary) {
    first_.longest = std::max(first_.longest, token.size());
    if (!token.starts_with(options_.continuing_prefix)) continue;
    const std::string_view piece =
        std::string_view(token).substr(options_.continuing_prefix.size());
    continuing_.ids.emplace(piece, id);
    continuing_.longest = std::max(continuing_.longest, piece.size());
  }
  first_.ids = std::move(options_.vocabulary);
}

bool WordPiece::IsTooLong(std::string_view word) const {
  if (word.size() <= options_.max_word_length) return false;
  return static_cast<size_t>(std::count_if(word.begin(), word.end(), BeginsCharacter)) >
         options_.max_word_length;
}

void WordPiece::AppendPieces(std::string_view word, std::vector<int64_t>& ids) const {
  const size_t before = ids.size();
  const bool too_long = IsTooLong(word);
  for (size_t start = 0; start < word.size() && !too_long;) {
    const Pieces& pieces = start == 0 ? first_ : continuing_;
    size_t end = std::min(word.size(), start + pieces.longest);
    auto found = pieces.ids.end();
    for (; end > start; --end) {
      if (end < word.size() && !BeginsCharacter(word[end])) continue;
      found = pieces.ids.find(word.substr(start, end - start));
      if (found != pieces.ids.end()) break;
    }
    if (found == pieces.ids.end()) break;
    ids.push_back(found->second);
    start = end;
    if (start == word.size()) return;
  }
  ids.resize(before);
  ids.push_back(options_.unknown);
}

}  // namespace tiffin::worker
