#pragma once

#include <string>
#include <string_view>

namespace tiffin::gateway {

// How text for people is set off, or not.
struct TextStyle {
  bool color = false;

  std::string Bold(std::string_view text) const;
  std::string Red(std::string_view text) const;
  std::string Dim(std::string_view text) const;
};

// True where a person sees what is written to `fd`.
bool IsTerminal(int fd);

// Colour on a terminal only, and neither with NO_COLOR (https://no-color.org) nor on a dumb one.
TextStyle StyleOf(int fd);

}  // namespace tiffin::gateway
