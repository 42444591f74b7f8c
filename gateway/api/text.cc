#include "gateway/api/text.h"

#include <algorithm>
#include <cstdint>

namespace tiffin::gateway {
namespace {

// The length of the well-formed character at the start of `text`; 0 if there is none.
size_t CharacterLength(std::string_view text) {
  const auto at = [&](size_t index) -> uint32_t { return static_cast<uint8_t>(text[index]); };
  const auto continues = [&](size_t index) {
    return index < text.size() && (at(index) & 0xC0U) == 0x80U;
  };
  if (text.empty()) return 0;
  const uint32_t first = at(0);
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;  // A continuation, or an overlong form of two bytes.
  if (first < 0xE0) return continues(1) ? 2 : 0;
  if (first < 0xF0) {
    if (!continues(1) || !continues(2)) return 0;
    if (first == 0xE0 && at(1) < 0xA0) return 0;   // Overlong.
    if (first == 0xED && at(1) >= 0xA0) return 0;  // A surrogate.
    return 3;
  }
  if (first < 0xF5) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (first == 0xF0 && at(1) < 0x90) return 0;   // Overlong.
    if (first == 0xF4 && at(1) >= 0x90) return 0;  // Above U+10FFFF.
    return 4;
  }
  return 0;
}

}  // namespace

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string BoundedUtf8(std::string_view text, size_t limit) {
  constexpr std::string_view kEllipsis = "...";
  std::string result;
  result.reserve(std::min(text.size(), limit));
  size_t cut = 0;  // Where the ellipsis would go.
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    const std::string_view character = length == 0 ? std::string_view("?") : text.substr(0, length);
    if (result.size() + character.size() > limit) {
      result.resize(cut);
      result += kEllipsis;
      return result;
    }
    result += character;
    if (result.size() + kEllipsis.size() <= limit) cut = result.size();
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return result;
}

std::string MetadataText(std::string_view text, size_t limit) {
  std::string result(text.substr(0, limit));
  for (char& character : result) {
    if (character < 0x20 || character > 0x7E) character = '?';
  }
  return result;
}

}  // namespace tiffin::gateway
