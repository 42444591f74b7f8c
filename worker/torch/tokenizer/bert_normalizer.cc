#include "worker/torch/tokenizer/bert_normalizer.h"

#include <utility>

namespace tiffin::worker {

BertNormalizer::BertNormalizer(BertNormalizerOptions options, Decomposer decomposer)
    : options_(options), decomposer_(std::move(decomposer)) {}

std::string BertNormalizer::Normalize(std::string_view text) const {
  if (IsAscii(text)) return NormalizeAscii(text);
  std::string normal = Clean(text);
  if (options_.strip_accents) normal = decomposer_.Decompose(normal);
  if (!options_.strip_accents && !options_.lowercase) return normal;
  std::string result;
  result.reserve(normal.size());
  for (size_t i = 0; i < normal.size();) {
    const CodePoint c = DecodeAt(normal, i);
    i += c.size;
    if (options_.strip_accents && IsNonspacingMark(c.value)) continue;
    if (options_.lowercase) {
      AppendLowerCase(c.value, result);
    } else {
      AppendUtf8(c.value, result);
    }
  }
  return result;
}

std::string BertNormalizer::NormalizeAscii(std::string_view text) const {
  std::string normal;
  normal.reserve(text.size());
  for (char c : text) {
    if (options_.clean_text) {
      if (IsControl(static_cast<unsigned char>(c))) continue;
      if (IsWhitespace(static_cast<unsigned char>(c))) c = ' ';
    }
    if (options_.lowercase && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    normal.push_back(c);
  }
  return normal;
}

// Without what is to be dropped, and with spaces where they belong.
std::string BertNormalizer::Clean(std::string_view text) const {
  std::string clean;
  clean.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = DecodeAt(text, i);
    i += c.size;
    if (options_.clean_text) {
      if (c.value == U'\uFFFD' || IsControl(c.value)) continue;
      if (IsWhitespace(c.value)) {
        clean.push_back(' ');
        continue;
      }
    }
    if (options_.handle_chinese_chars && IsChinese(c.value)) {
      clean.push_back(' ');
      AppendUtf8(c.value, clean);
      clean.push_back(' ');
    } else {
      AppendUtf8(c.value, clean);
    }
  }
  return clean;
}

}  // namespace tiffin::worker
