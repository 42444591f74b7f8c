#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tiffin::gateway {

// Well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
bool IsValidUtf8(std::string_view text);

// Of what a client sent, the most that a message says again.
inline constexpr size_t kMaxQuoted = 200;

// `text` as valid UTF-8 of at most `limit` bytes (at least 3): each bad byte becomes '?', and what
// is cut off, at a character's end, is replaced by "...".
std::string BoundedUtf8(std::string_view text, size_t limit);

// `text` fit for a metadata value: at most `limit` characters, those that are not printable ASCII
// as '?'.
std::string MetadataText(std::string_view text, size_t limit);

}  // namespace tiffin::gateway
