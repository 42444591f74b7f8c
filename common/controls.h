#pragma once

#include <string>
#include <string_view>

namespace tiffin {

// `text` with its control characters as escapes ("\n", "\x1b"; U+009B, which begins a command of
// terminals too, as "\x9b"), so that it is one line and commands nothing. Those in `kept` stay.
std::string EscapeControls(std::string_view text, std::string_view kept = "");

}  // namespace tiffin
