#include "gateway/api/http/json_text.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/strings.h"
#include "gateway/api/text.h"

namespace tiffin::gateway::http {
namespace {

constexpr size_t kMaxQuoted = 200;
constexpr int kMaxNesting = 100;

// Lists and objects within one another, at the deepest; of any text.
int NestingOf(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char character = text[i];
    if (quoted) {
      if (character == '\\') ++i;
      quoted = character != '"';
    } else if (character == '"') {
      quoted = true;
    } else if (character == '[' || character == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (character == ']' || character == '}') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, std::string_view what,
                                         UniqueKeys unique) {
  if (NestingOf(text) > kMaxNesting) {
    return absl::InvalidArgumentError(
        StrCat(what, " nests lists and objects more than ", kMaxNesting, " deep"));
  }
  using Event = nlohmann::json::parse_event_t;
  std::vector<std::set<std::string>> open_objects;
  std::optional<std::string> repeated;
  const auto callback = [&](int depth, Event event, nlohmann::json& parsed) {
    if (unique == UniqueKeys::kAtTop && depth > 1) return true;
    if (event == Event::object_start) {
      open_objects.emplace_back();
    } else if (event == Event::object_end) {
      open_objects.pop_back();
    } else if (event == Event::key) {
      auto key = parsed.get<std::string>();
      if (!open_objects.back().insert(key).second) repeated = std::move(key);
    }
    return true;
  };
  nlohmann::json json = nlohmann::json::parse(text, callback, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    return absl::InvalidArgumentError(StrCat(what, " does not parse as JSON"));
  }
  if (repeated.has_value()) {
    return absl::InvalidArgumentError(
        StrCat("'", BoundedUtf8(*repeated, kMaxQuoted), "' is given twice; send it once"));
  }
  return json;
}

}  // namespace tiffin::gateway::http
