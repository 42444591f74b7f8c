#include "gateway/commands/terminal.h"

#include <unistd.h>

#include "absl/strings/str_format.h"
#include "common/environment.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

std::string Wrapped(const TextStyle& style, std::string_view code, std::string_view text) {
  return style.color ? StrCat("\033[", code, "m", text, "\033[0m") : std::string(text);
}

}  // namespace

std::string TextStyle::Bold(std::string_view text) const { return Wrapped(*this, "1", text); }
std::string TextStyle::Red(std::string_view text) const { return Wrapped(*this, "1;31", text); }
std::string TextStyle::Dim(std::string_view text) const { return Wrapped(*this, "2", text); }

bool IsTerminal(int fd) { return ::isatty(fd) == 1; }

TextStyle StyleOf(int fd) {
  return {.color = IsTerminal(fd) && environment::Get(environment::kNoColor).empty() &&
                   environment::Get(environment::kTerminal) != "dumb"};
}

std::string WithoutControls(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if ((code < 0x20 && c != '\n' && c != '\t') || code == 0x7f) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned>(code));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace tiffin::gateway
