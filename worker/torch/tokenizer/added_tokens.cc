#include "worker/torch/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "worker/torch/tokenizer/unicode.h"

namespace tiffin::worker {
namespace {

// The character that ends before `end`, which is not 0.
CodePoint DecodeBefore(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return DecodeAt(text.substr(0, end), begin);
}

bool IsSingleWord(std::string_view text, size_t begin, size_t end) {
  return (begin == 0 || !IsWordCharacter(DecodeBefore(text, begin).value)) &&
         (end == text.size() || !IsWordCharacter(DecodeAt(text, end).value));
}

size_t SkipSpaceBefore(std::string_view text, size_t begin) {
  while (begin > 0) {
    const CodePoint c = DecodeBefore(text, begin);
    if (!IsWhitespace(c.value)) break;
    begin -= c.size;
  }
  return begin;
}

size_t SkipSpaceAfter(std::string_view text, size_t end) {
  while (end < text.size()) {
    const CodePoint c = DecodeAt(text, end);
    if (!IsWhitespace(c.value)) break;
    end += c.size;
  }
  return end;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    by_content_.insert_or_assign(content, static_cast<int64_t>(i));
    sizes_[static_cast<unsigned char>(content[0])].push_back(content.size());
  }
  for (std::vector<size_t>& sizes : sizes_) {
    std::sort(sizes.begin(), sizes.end(), std::greater<>());
    sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  }
}

const AddedToken* AddedTokens::FindAt(std::string_view text, size_t position) const {
  for (const size_t size : sizes_[static_cast<unsigned char>(text[position])]) {
    if (size > text.size() - position) continue;
    const auto found = by_content_.find(text.substr(position, size));
    if (found != by_content_.end()) return &tokens_[static_cast<size_t>(found->second)];
  }
  return nullptr;
}

std::optional<AddedTokens::Part> AddedTokens::Parts::Next() {
  if (pending_.has_value()) return Part{{}, std::exchange(pending_, std::nullopt)};
  while (search_ < text_.size()) {
    const AddedToken* token = tokens_.FindAt(text_, search_);
    if (token == nullptr) {
      ++search_;
      continue;
    }
    size_t begin = search_;
    size_t end = begin + token->content.size();
    // Found or not, the next one begins behind it.
    search_ = end;
    if (token->single_word && !IsSingleWord(text_, begin, end)) continue;
    if (token->strips_left) begin = std::max(SkipSpaceBefore(text_, begin), rest_);
    if (token->strips_right) end = SkipSpaceAfter(text_, end);
    const size_t text_begin = std::exchange(rest_, end);
    if (text_begin >= begin) return Part{{}, token->id};
    pending_ = token->id;
    return Part{text_.substr(text_begin, begin - text_begin), std::nullopt};
  }
  if (rest_ >= text_.size()) return std::nullopt;
  return Part{text_.substr(std::exchange(rest_, text_.size())), std::nullopt};
}

}  // namespace tiffin::worker
