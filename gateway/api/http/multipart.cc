#include "gateway/api/http/multipart.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/text.h"

namespace tiffin::gateway::http {
namespace {

constexpr size_t kMaxBoundary = 70;  // RFC 2046.
constexpr size_t kMaxPartHeader = 4096;

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(StrCat("the body is not multipart/form-data: ", what));
}

// Takes a token, or a quoted string without its quotes, off the front.
std::string TakeWord(std::string_view& text, std::string_view ends) {
  std::string word;
  if (!text.empty() && text.front() == '"') {
    size_t i = 1;
    for (; i < text.size() && text[i] != '"'; ++i) {
      if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\')) {
        ++i;
      }
      word += text[i];
    }
    text.remove_prefix(std::min(i + 1, text.size()));
    return word;
  }
  const size_t end = std::min(text.find_first_of(ends), text.size());
  word = std::string(Trim(text.substr(0, end)));
  text.remove_prefix(end);
  return word;
}

absl::StatusOr<std::string> PartName(std::string_view header) {
  std::optional<std::string> name;
  while (!header.empty()) {
    const size_t end = std::min(header.find("\r\n"), header.size());
    const std::string_view line = header.substr(0, end);
    header.remove_prefix(std::min(end + 2, header.size()));
    const size_t colon = line.find(':');
    if (colon == line.npos) return Malformed("a part has a header line without a colon");
    const std::string field = ToLower(Trim(line.substr(0, colon)));
    const std::string_view value = Trim(line.substr(colon + 1));
    if (field == "content-disposition") {
      const MediaValue disposition = ParseMediaValue(value);
      if (disposition.value == "form-data") name = disposition.Parameter("name");
    } else if (field == "content-transfer-encoding") {
      const std::string encoding = ToLower(value);
      if (encoding != "binary" && encoding != "8bit" && encoding != "7bit") {
        return Malformed("a part has a Content-Transfer-Encoding; send its bytes as they are");
      }
    }
  }
  if (!name.has_value() || name->empty()) {
    return Malformed("a part has no 'Content-Disposition: form-data; name=...'");
  }
  return *std::move(name);
}

}  // namespace

std::string MediaValue::Parameter(std::string_view name) const {
  for (const auto& [key, parameter] : parameters) {
    if (key == name) return parameter;
  }
  return "";
}

MediaValue ParseMediaValue(std::string_view text) {
  MediaValue result;
  result.value = ToLower(TakeWord(text, ";"));
  while (!text.empty()) {
    text.remove_prefix(1);  // The semicolon.
    text = Trim(text);
    std::string key = ToLower(TakeWord(text, "=;"));
    std::string parameter;
    if (!text.empty() && text.front() == '=') {
      text = Trim(text.substr(1));
      parameter = TakeWord(text, ";");
    }
    text.remove_prefix(std::min(text.find(';'), text.size()));
    if (!key.empty()) result.parameters.emplace_back(std::move(key), std::move(parameter));
  }
  return result;
}

absl::StatusOr<std::vector<FormPart>> ParseMultipart(std::string_view body,
                                                     std::string_view boundary) {
  if (boundary.empty() || boundary.size() > kMaxBoundary) {
    return Malformed("its content type has no boundary of 1 to 70 characters");
  }
  const std::string delimiter = StrCat("\r\n--", boundary);
  std::vector<FormPart> parts;
  // The first delimiter may begin the body, then without the line's end before it.
  size_t at = 0;
  if (body.substr(0, delimiter.size() - 2) == std::string_view(delimiter).substr(2)) {
    at = delimiter.size() - 2;
  } else {
    const size_t found = body.find(delimiter);
    if (found == body.npos) return Malformed("its boundary is not in it");
    at = found + delimiter.size();
  }
  while (true) {
    std::string_view rest = body.substr(at);
    if (rest.substr(0, 2) == "--") return parts;
    const size_t line_end = rest.find("\r\n");
    if (line_end == rest.npos || !Trim(rest.substr(0, line_end)).empty()) {
      return Malformed("a boundary does not end its line");
    }
    // From the line's end on, which ends an empty header.
    const size_t header_end = rest.substr(0, line_end + kMaxPartHeader).find("\r\n\r\n", line_end);
    if (header_end == rest.npos) return Malformed("the header of a part does not end");
    std::string_view header;
    if (header_end > line_end) {
      header = rest.substr(line_end + 2, header_end - line_end - 2);
    }
    const size_t start = at + header_end + 4;
    // An empty part's delimiter begins with the end of its header.
    const size_t end = body.find(delimiter, start - 2);
    if (end == body.npos) return Malformed("its last boundary is missing; it may be cut short");
    FormPart part;
    ASSIGN_OR_RETURN(part.name, PartName(header));
    part.content = end < start ? std::string_view() : body.substr(start, end - start);
    parts.push_back(std::move(part));
    at = end + delimiter.size();
  }
}

}  // namespace tiffin::gateway::http
