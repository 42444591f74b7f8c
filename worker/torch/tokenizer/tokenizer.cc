#include "worker/torch/tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include "common/status_macros.h"
#include "worker/torch/tokenizer/unicode.h"

namespace tiffin::worker {
namespace {

// White space that neither decomposition nor cleaning reaches across.
constexpr std::string_view kCuts = " \t\n\r";

std::vector<AddedToken> RawTokens(const std::vector<AddedToken>& tokens) {
  std::vector<AddedToken> raw;
  std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(raw),
               [](const AddedToken& token) { return !token.normalized; });
  return raw;
}

std::vector<AddedToken> NormalTokens(const std::vector<AddedToken>& tokens,
                                     const BertNormalizer& normalizer) {
  std::vector<AddedToken> normal;
  for (const AddedToken& token : tokens) {
    if (!token.normalized) continue;
    normal.push_back(token);
    normal.back().content = normalizer.Normalize(token.content);
    // One of which nothing is left is found nowhere.
    if (normal.back().content.empty()) normal.pop_back();
  }
  return normal;
}

int64_t LastId(const TokenizerSpec& spec) {
  int64_t last = 0;
  for (const auto& [token, id] : spec.model.vocabulary) last = std::max(last, id);
  for (const AddedToken& token : spec.added_tokens) last = std::max(last, token.id);
  return last;
}

}  // namespace

absl::StatusOr<Tokenizer> Tokenizer::Create(TokenizerSpec spec) {
  ASSIGN_OR_RETURN(Decomposer decomposer, Decomposer::Create());
  return Tokenizer(std::move(spec), std::move(decomposer));
}

Tokenizer::Tokenizer(TokenizerSpec spec, Decomposer decomposer)
    : normalizer_(spec.normalizer, std::move(decomposer)),
      raw_tokens_(RawTokens(spec.added_tokens)),
      normal_tokens_(NormalTokens(spec.added_tokens, normalizer_)),
      before_(std::move(spec.around.before)),
      after_(std::move(spec.around.after)),
      padding_(spec.padding),
      max_length_(spec.max_length),
      last_id_(LastId(spec)),
      model_(std::move(spec.model)) {}

std::vector<int64_t> Tokenizer::Encode(std::string_view text, size_t max_length) const {
  std::vector<int64_t> ids = before_;
  const size_t enough = max_length - after_.size();
  AddedTokens::Parts parts(raw_tokens_, text);
  while (ids.size() < enough) {
    const std::optional<AddedTokens::Part> part = parts.Next();
    if (!part.has_value()) break;
    if (part->id.has_value()) {
      ids.push_back(*part->id);
    } else {
      AppendText(part->text, enough, ids);
    }
  }
  ids.resize(std::min(ids.size(), enough));
  ids.insert(ids.end(), after_.begin(), after_.end());
  return ids;
}

void Tokenizer::AppendText(std::string_view text, size_t enough, std::vector<int64_t>& ids) const {
  if (!normal_tokens_.empty()) {
    // They may have spaces within.
    AppendNormal(normalizer_.Normalize(text), enough, ids);
    return;
  }
  while (ids.size() < enough) {
    const size_t begin = text.find_first_not_of(kCuts);
    if (begin == std::string_view::npos) return;
    text.remove_prefix(begin);
    const size_t size = std::min(text.find_first_of(kCuts), text.size());
    AppendWords(normalizer_.Normalize(text.substr(0, size)), enough, ids);
    text.remove_prefix(size);
  }
}

void Tokenizer::AppendNormal(std::string_view normal, size_t enough,
                             std::vector<int64_t>& ids) const {
  AddedTokens::Parts parts(normal_tokens_, normal);
  while (ids.size() < enough) {
    const std::optional<AddedTokens::Part> part = parts.Next();
    if (!part.has_value()) return;
    if (part->id.has_value()) {
      ids.push_back(*part->id);
    } else {
      AppendWords(part->text, enough, ids);
    }
  }
}

// What Hugging Face calls BertPreTokenizer: white space separates, and every punctuation mark is a
// word of its own.
void Tokenizer::AppendWords(std::string_view normal, size_t enough,
                            std::vector<int64_t>& ids) const {
  size_t begin = 0;
  for (size_t i = 0; i < normal.size() && ids.size() < enough;) {
    const CodePoint c = DecodeAt(normal, i);
    const bool is_punctuation = IsPunctuation(c.value);
    if (is_punctuation || IsWhitespace(c.value)) {
      if (begin < i) model_.AppendPieces(normal.substr(begin, i - begin), ids);
      if (is_punctuation) model_.AppendPieces(normal.substr(i, c.size), ids);
      begin = i + c.size;
    }
    i += c.size;
  }
  if (begin < normal.size() && ids.size() < enough) model_.AppendPieces(normal.substr(begin), ids);
}

}  // namespace tiffin::worker
