#include "common/config/input_type.h"

#include <string>
#include <utility>

#include "common/config/name_hint.h"
#include "common/strings.h"

namespace tiffin::config {

absl::StatusOr<InputType> ParseInputType(std::string_view text) {
  InputType input;
  std::string type_text(text);
  const size_t open = type_text.find('[');
  const size_t end =
      type_text.find_first_of(",]", open == type_text.npos ? type_text.size() : open);
  if (end != type_text.npos &&
      Trim(std::string_view(type_text).substr(open + 1, end - open - 1)) == "rows") {
    input.has_rows = true;
    const bool last = type_text[end] == ']';
    const std::string name(Trim(std::string_view(type_text).substr(0, open)));
    const bool is_single = name == "image" || name == "text" || name == "json" || name == "bytes";
    type_text = last && is_single ? name + type_text.substr(end + 1)
                                  : StrCat(name, "[", type_text.substr(last ? end : end + 1));
  }
  absl::StatusOr<ValueType> type = ParseValueType(type_text);
  if (!type.ok()) {
    std::string message(Message(type.status()));
    if (text.find("rows") != text.npos) {
      message += StrCat(" (in ", Quoted(text), "; 'rows' can be the first dimension only)");
    }
    return absl::InvalidArgumentError(message);
  }
  input.type = *std::move(type);
  return input;
}

}  // namespace tiffin::config
