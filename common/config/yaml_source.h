#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/diagnostics.h"

namespace tiffin::config {

// Where a call such as `f(a, g)` at the start of `text` ends: the offset behind its last ')'. Text
// in single quotes and brackets within it are skipped. npos if `text` does not start with a call,
// or the call does not end on its line (or is longer than any step).
size_t CallEnd(std::string_view text);
// True if `text` starts as a call, `name(` or `name.method(`.
bool StartsAsCall(std::string_view text);

// The text of a YAML file by lines. Values that YAML would cut in pieces can be put in quotes, to
// read on and find what else is wrong; all locations given out stay those of the file as it is.
class YamlSource {
 public:
  // A range within one line; both start at 0.
  struct Range {
    size_t line = 0;
    size_t begin = 0;
    size_t end = 0;
  };

  explicit YamlSource(std::string text) : text_(std::move(text)) { FindLines(); }

  const std::string& text() const { return text_; }
  // Without its end; empty beyond the last line.
  std::string_view Line(size_t line) const;
  // The place in the file of what stands at `line` and `column` (from 0) now.
  Location Original(size_t line, size_t column) const;
  // False if the text in quotes that starts there goes on to the end of the file.
  bool HasClosingQuote(size_t line, size_t column) const;
  // Puts the range in double quotes.
  void Quote(const Range& range);

 private:
  void FindLines();

  std::string text_;
  std::vector<size_t> line_starts_;
  // Of each line that was changed: the column in the file of each of its bytes.
  std::map<size_t, std::vector<size_t>> original_columns_;
};

// The first byte that is not UTF-8, or a control character that no text has: yaml-cpp would stop
// reading there, or replace it, and say nothing.
struct BadByte {
  Location location;
  std::string message;
};
std::optional<BadByte> FindBadByte(std::string_view text);

}  // namespace tiffin::config
