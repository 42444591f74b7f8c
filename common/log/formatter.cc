#include "common/log/formatter.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "common/controls.h"
#include "common/strings.h"

namespace tiffin::log {
namespace {

// Begins and divides a packed text. JSON has no control characters, and names have none.
constexpr char kMark = '\x01';

struct Parts {
  std::string_view event;
  std::string_view message;
  std::string_view fields;
};

Parts Unpack(std::string_view text) {
  if (text.empty() || text.front() != kMark) return {.event = "", .message = text, .fields = ""};
  text.remove_prefix(1);
  const size_t first = std::min(text.find(kMark), text.size());
  const size_t last = std::min(text.rfind(kMark), text.size());
  if (first >= last) return {.event = "", .message = text, .fields = ""};
  return {.event = text.substr(0, first),
          .message = text.substr(first + 1, last - first - 1),
          .fields = text.substr(last + 1)};
}

bool IsPlain(char character) {
  return character >= 0x20 && character < 0x7F && character != '"' && character != '\\';
}

void AppendJsonText(std::string_view text, std::string& json) {
  if (std::all_of(text.begin(), text.end(), IsPlain)) {
    json += '"';
    json += text;
    json += '"';
    return;
  }
  // Not all that is logged is UTF-8.
  json += nlohmann::json(text).dump(-1, ' ', /*ensure_ascii=*/false,
                                    nlohmann::json::error_handler_t::replace);
}

std::string_view NameOf(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
      return LevelName(Level::kTrace);
    case spdlog::level::debug:
      return LevelName(Level::kDebug);
    case spdlog::level::info:
      return LevelName(Level::kInfo);
    case spdlog::level::warn:
      return LevelName(Level::kWarning);
    default:
      return LevelName(Level::kError);
  }
}

}  // namespace

void Field::AppendTo(std::string& json) const {
  json += '"';
  json += key_;
  json += "\":";
  if (const auto* text = std::get_if<std::string_view>(&value_)) {
    AppendJsonText(*text, json);
  } else if (const auto* boolean = std::get_if<bool>(&value_)) {
    json += *boolean ? "true" : "false";
  } else if (const auto* number = std::get_if<double>(&value_)) {
    json += std::isfinite(*number) ? absl::StrFormat("%.17g", *number) : "null";
  } else if (const auto* whole = std::get_if<int64_t>(&value_)) {
    json += std::to_string(*whole);
  } else {
    json += std::get<const nlohmann::json*>(value_)->dump(-1, ' ', /*ensure_ascii=*/false,
                                                          nlohmann::json::error_handler_t::replace);
  }
}

void Fields::Add(const Field& field) {
  if (!json_.empty()) json_ += ',';
  field.AppendTo(json_);
}

std::string Pack(std::string_view event, std::string_view message, const Fields& fields) {
  constexpr std::string_view kMarkText(&kMark, 1);
  return StrCat(kMarkText, event, kMarkText, message, kMarkText, fields.json());
}

Formatter::Formatter(Format format, std::string worker)
    : format_(format),
      worker_(std::move(worker)),
      process_(worker_.empty() ? Fields({{"pid", getpid()}}).json()
                               : Fields({{"pid", getpid()}, {"worker", worker_}}).json()) {}

void Formatter::format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) {
  const Parts parts = Unpack({message.payload.data(), message.payload.size()});
  const bool is_json = format_ == Format::kJson;
  const absl::Time time = absl::FromChrono(message.time);
  std::string text = is_json ? "{\"time\":\"" : "";
  text += absl::FormatTime(is_json ? "%Y-%m-%dT%H:%M:%E6SZ" : "%Y-%m-%dT%H:%M:%E3SZ", time,
                           absl::UTCTimeZone());
  const std::string_view level = NameOf(message.level);
  const std::string_view said = parts.message.empty() ? parts.event : parts.message;
  if (is_json) {
    text += StrCat("\",\"level\":\"", level, "\",\"message\":");
    AppendJsonText(said, text);
    text += StrCat(",", process_);
    if (!parts.event.empty()) text += StrCat(",\"event\":\"", parts.event, "\"");
    if (!parts.fields.empty()) text += StrCat(",", parts.fields);
    text += "}";
  } else {
    text += StrCat(" ", level, " ");
    if (!worker_.empty()) text += StrCat(worker_, ": ");
    // Nobody can begin a line of his own, nor move the cursor of a terminal.
    text += EscapeControls(said);
    if (parts.message.empty() && !parts.fields.empty()) text += StrCat(" {", parts.fields, "}");
  }
  text += '\n';
  line.append(text.data(), text.data() + text.size());
}

}  // namespace tiffin::log
