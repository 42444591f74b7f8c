#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

// Debian builds Abseil with a string_view of its own, which neither takes a std::string_view nor
// becomes one. We use std::string_view throughout; these few functions stand at the border.
namespace tiffin {

inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

// A view into `status`.
inline std::string_view Message(const absl::Status& status) { return ToStd(status.message()); }

// absl::StrCat that takes std::string_view too.
template <typename... Pieces>
std::string StrCat(const Pieces&... pieces) {
  const auto piece = [](const auto& value) -> absl::AlphaNum {
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string_view>) {
      return absl::AlphaNum(ToAbsl(value));
    } else {
      return absl::AlphaNum(value);
    }
  };
  return absl::StrCat(piece(pieces)...);
}

// Without the white space around it.
inline std::string_view Trim(std::string_view text) {
  return ToStd(absl::StripAsciiWhitespace(ToAbsl(text)));
}
inline std::string ToLower(std::string_view text) { return absl::AsciiStrToLower(ToAbsl(text)); }

}  // namespace tiffin
