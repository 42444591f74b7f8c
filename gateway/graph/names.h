#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tiffin::gateway {

// The fix for a name that nobody knows: "; did you mean 'model_a'?" if one of `known` is near it,
// else "; <those there are>: a, b, c", else (nothing is known) "; there are no <those there are>".
std::string NameHint(std::string_view name, std::span<const std::string> known,
                     std::string_view those_there_are);

}  // namespace tiffin::gateway
