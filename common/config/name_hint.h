#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tiffin::config {

// `text` in single quotes, cut short where it is long: for messages that name what was written.
std::string Quoted(std::string_view text);

// The one of `known` that `name` was probably meant to be; empty if none is near.
std::string_view Nearest(std::string_view name, std::span<const std::string_view> known);

// True for [a-z][a-z0-9_]*, the form of all names.
bool IsName(std::string_view text);

// "a step", "an input".
std::string WithArticle(std::string_view noun);

// What is wrong with `text` as a name, and the fix; empty if nothing is. `what` is such as "step".
std::string NameError(std::string_view what, std::string_view text);

}  // namespace tiffin::config
