#include "common/config/yaml_source.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/strings.h"

namespace tiffin::config {
namespace {

// No step is longer; a line may be as long as the file, and be looked at for each of its values.
constexpr size_t kMaxCall = 4096;

bool IsWordByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// The length of the UTF-8 sequence that `text` starts with, 0 if there is none.
size_t SequenceLength(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return 1;
  const size_t length = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (byte(0) < 0xC2 || byte(0) > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and beyond U+10FFFF.
  if (byte(0) == 0xE0 && byte(1) < 0xA0) return 0;
  if (byte(0) == 0xED && byte(1) > 0x9F) return 0;
  if (byte(0) == 0xF0 && byte(1) < 0x90) return 0;
  if (byte(0) == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

}  // namespace

bool StartsAsCall(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && (IsWordByte(text[at]) || text[at] == '.')) ++at;
  return at > 0 && at < text.size() && text[at] == '(';
}

size_t CallEnd(std::string_view text) {
  text = text.substr(0, kMaxCall);
  if (!StartsAsCall(text)) return std::string_view::npos;
  bool quoted = false;
  int depth = 0;
  for (size_t at = text.find('('); at < text.size() && text[at] != '\n'; ++at) {
    if (text[at] == '\'') {
      quoted = !quoted;  // A doubled quote turns twice.
    } else if (!quoted && text[at] == '(') {
      ++depth;
    } else if (!quoted && text[at] == ')' && --depth == 0) {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

void YamlSource::FindLines() {
  line_starts_ = {0};
  for (size_t at = text_.find('\n'); at != std::string::npos; at = text_.find('\n', at + 1)) {
    line_starts_.push_back(at + 1);
  }
}

std::string_view YamlSource::Line(size_t line) const {
  if (line >= line_starts_.size()) return {};
  const size_t end = line + 1 < line_starts_.size() ? line_starts_[line + 1] : text_.size();
  std::string_view text(text_.data() + line_starts_[line], end - line_starts_[line]);
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

Location YamlSource::Original(size_t line, size_t column) const {
  if (const auto found = original_columns_.find(line); found != original_columns_.end()) {
    column = found->second[std::min(column, found->second.size() - 1)];
  }
  return {static_cast<int>(line + 1), static_cast<int>(column + 1)};
}

bool YamlSource::HasClosingQuote(size_t line, size_t column) const {
  if (line >= line_starts_.size() || line_starts_[line] + column >= text_.size()) return true;
  size_t at = line_starts_[line] + column;
  const char quote = text_[at];
  if (quote != '"' && quote != '\'') return true;  // A block scalar.
  for (++at; at < text_.size(); ++at) {
    if (quote == '"' && text_[at] == '\\') {
      ++at;
    } else if (text_[at] == quote) {
      if (quote == '"' || at + 1 == text_.size() || text_[at + 1] != quote) return true;
      ++at;  // A doubled quote stands for one.
    }
  }
  return false;
}

void YamlSource::Quote(const Range& range) {
  const std::string line(Line(range.line));
  std::vector<size_t>& columns = original_columns_[range.line];
  if (columns.empty()) {
    columns.resize(line.size() + 1);
    std::iota(columns.begin(), columns.end(), size_t{0});
  }
  std::string quoted = "\"";
  std::vector<size_t> quoted_columns = {columns[range.begin]};
  for (size_t at = range.begin; at < range.end; ++at) {
    if (line[at] == '"' || line[at] == '\\') {
      quoted += '\\';
      quoted_columns.push_back(columns[at]);
    }
    quoted += line[at];
    quoted_columns.push_back(columns[at]);
  }
  quoted += '"';
  quoted_columns.push_back(columns[range.end]);
  text_.replace(line_starts_[range.line] + range.begin, range.end - range.begin, quoted);
  const auto begin = columns.begin() + static_cast<ptrdiff_t>(range.begin);
  const auto after = columns.erase(begin, begin + static_cast<ptrdiff_t>(range.end - range.begin));
  columns.insert(after, quoted_columns.begin(), quoted_columns.end());
  FindLines();
}

std::optional<BadByte> FindBadByte(std::string_view text) {
  Location location{1, 1};
  for (size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const size_t length = SequenceLength(text.substr(at));
    if (length == 0) {
      return BadByte{location, absl::StrFormat("the byte 0x%02x is not UTF-8; save the file as "
                                               "UTF-8 text",
                                               static_cast<unsigned>(byte))};
    }
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F) {
      return BadByte{location, absl::StrFormat("the control character 0x%02x can't be in such a "
                                               "file; remove it",
                                               static_cast<unsigned>(byte))};
    }
    location.column += static_cast<int>(length);
    if (byte == '\n') location = {location.line + 1, 1};
    at += length;
  }
  return std::nullopt;
}

}  // namespace tiffin::config
