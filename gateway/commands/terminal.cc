#include "gateway/commands/terminal.h"

#include <unistd.h>

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

}  // namespace tiffin::gateway
