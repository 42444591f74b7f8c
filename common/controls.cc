#include "common/controls.h"

#include "absl/strings/str_format.h"

namespace tiffin {

std::string EscapeControls(std::string_view text, std::string_view kept) {
  constexpr unsigned char kLeadOfC1 = 0xC2;  // Of U+0080 to U+009F, in UTF-8.
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
    if (byte == kLeadOfC1 && next >= 0x80 && next < 0xA0) {
      absl::StrAppendFormat(&out, "\\x%02x", next);
      ++i;
    } else if ((byte >= 0x20 && byte != 0x7F) || kept.find(text[i]) != kept.npos) {
      out += text[i];
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += "\\t";
    } else {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned>(byte));
    }
  }
  return out;
}

}  // namespace tiffin
