#include "gateway/resources/text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "common/strings.h"

namespace tiffin::gateway {

std::string NumberText(double number) {
  std::array<char, 40> text{};
  if (std::abs(number) >= 1000) {
    std::snprintf(text.data(), text.size(), "%.0f", number);
  } else {
    std::snprintf(text.data(), text.size(), "%.3g", number);
  }
  return text.data();
}

std::string CountText(double count, std::string_view what) {
  return StrCat(NumberText(count), " ", what, count == 1 ? "" : "s");
}

std::vector<std::string> TableLines(std::span<const std::vector<std::string>> rows) {
  std::vector<size_t> widths;
  for (const std::vector<std::string>& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::vector<std::string> lines;
  for (const std::vector<std::string>& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] + 2 - row[i].size(), ' ');
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace tiffin::gateway
