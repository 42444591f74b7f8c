#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace tiffin::config {

// A number (int64_t or double), true or false, text in single quotes, or a list of literals. Within
// text '' stands for one quote, and a backslash for itself.
struct Literal {
  std::variant<bool, int64_t, double, std::string, std::vector<Literal>> value;
};

}  // namespace tiffin::config
