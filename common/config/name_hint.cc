#include "common/config/name_hint.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "common/strings.h"

namespace tiffin::config {
namespace {

constexpr size_t kMaxQuoted = 60;

// How many letters have to be inserted, removed or replaced.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string Quoted(std::string_view text) {
  if (text.size() <= kMaxQuoted) return StrCat("'", text, "'");
  size_t end = kMaxQuoted;
  // Not within a UTF-8 sequence.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return StrCat("'", text.substr(0, end), "...'");
}

std::string_view Nearest(std::string_view name, std::span<const std::string_view> known) {
  std::string_view nearest;
  // A third of the letters may be wrong, and one in the shortest names.
  size_t allowed = std::max<size_t>(1, name.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    // No far longer name is near, and it may be as long as the file.
    if (name.size() > 3 * candidate.size()) continue;
    const size_t distance = EditDistance(name, candidate);
    if (distance < allowed && distance < candidate.size()) {
      nearest = candidate;
      allowed = distance;
    }
  }
  return nearest;
}

bool IsName(std::string_view text) {
  if (text.empty() || text[0] < 'a' || text[0] > 'z') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string WithArticle(std::string_view noun) {
  const bool vowel = !noun.empty() && std::string_view("aeiou").find(noun[0]) != noun.npos;
  return StrCat(vowel ? "an " : "a ", noun);
}

std::string NameError(std::string_view what, std::string_view text) {
  if (text == "true" || text == "false") {
    return StrCat(WithArticle(what), " can't be named ", Quoted(text),
                  ", which is a literal; rename it");
  }
  if (IsName(text)) return "";
  return StrCat(Quoted(text), " is no name for ", WithArticle(what),
                "; write lower-case letters, digits and '_', a letter first");
}

}  // namespace tiffin::config
