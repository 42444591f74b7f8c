#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiffin::gateway {

// A number with three digits that count, as people write it: "0.5", "2", "16.4", "12300".
std::string NumberText(double number);
// "1 core", "3 threads".
std::string CountText(double count, std::string_view what);

// Lines of text with the cells of each column below one another, two spaces between.
std::vector<std::string> TableLines(std::span<const std::vector<std::string>> rows);

}  // namespace tiffin::gateway
