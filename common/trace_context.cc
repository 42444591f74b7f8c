#include "common/trace_context.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/strings.h"

namespace tiffin {
namespace {

constexpr size_t kVersion00Size = 55;
constexpr uint8_t kKnownFlags = 0x03;  // Sampled; the trace's id is random.
constexpr size_t kMaxStateMembers = 32;
constexpr size_t kMaxState = 512;

// Lower-case hexadecimal digits only, up to 16 of them.
std::optional<uint64_t> ParseHex(std::string_view digits) {
  uint64_t value = 0;
  for (const char digit : digits) {
    uint64_t nibble = 0;
    if (digit >= '0' && digit <= '9') {
      nibble = static_cast<uint64_t>(digit - '0');
    } else if (digit >= 'a' && digit <= 'f') {
      nibble = static_cast<uint64_t>(digit - 'a') + 10;
    } else {
      return std::nullopt;
    }
    value = value << 4U | nibble;
  }
  return value;
}

bool IsLetterOrDigit(char character) {
  return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9');
}

bool IsStateKey(std::string_view key) {
  return !key.empty() && key.size() <= 256 && IsLetterOrDigit(key.front()) &&
         std::all_of(key.begin(), key.end(), [](char character) {
           return IsLetterOrDigit(character) ||
                  std::string_view("_-*/@").find(character) != std::string_view::npos;
         });
}

bool IsStateValue(std::string_view value) {
  return !value.empty() && value.size() <= 256 &&
         std::all_of(value.begin(), value.end(), [](char character) {
           return character >= 0x20 && character <= 0x7E && character != ',' && character != '=';
         });
}

}  // namespace

std::optional<TraceContext> ParseTraceparent(std::string_view text) {
  if (text.size() < kVersion00Size || text[2] != '-' || text[35] != '-' || text[52] != '-') {
    return std::nullopt;
  }
  const auto version = ParseHex(text.substr(0, 2));
  const auto high = ParseHex(text.substr(3, 16));
  const auto low = ParseHex(text.substr(19, 16));
  const auto span = ParseHex(text.substr(36, 16));
  const auto flags = ParseHex(text.substr(53, 2));
  if (!version || !high || !low || !span || !flags || *version == 0xff) return std::nullopt;
  // Later versions may have more, behind another dash.
  if (text.size() > kVersion00Size && (*version == 0 || text[kVersion00Size] != '-')) {
    return std::nullopt;
  }
  const TraceContext context{.trace_high = *high,
                             .trace_low = *low,
                             .span = *span,
                             .flags = static_cast<uint8_t>(*flags & kKnownFlags)};
  if (!context.valid()) return std::nullopt;
  return context;
}

std::string ToTraceparent(const TraceContext& context) {
  return StrCat("00-", TraceIdText(context), "-", SpanIdText(context.span), "-",
                absl::Hex(context.flags, absl::kZeroPad2));
}

std::string TraceIdText(const TraceContext& context) {
  return StrCat(absl::Hex(context.trace_high, absl::kZeroPad16),
                absl::Hex(context.trace_low, absl::kZeroPad16));
}

std::string SpanIdText(uint64_t span) { return StrCat(absl::Hex(span, absl::kZeroPad16)); }

std::string JoinTracestate(std::span<const std::string_view> values) {
  std::string state;
  size_t members = 0;
  bool full = false;
  for (const std::string_view value : values) {
    for (const absl::string_view piece : absl::StrSplit(ToAbsl(value), ',')) {
      const std::string_view member = Trim(ToStd(piece));
      if (member.empty()) continue;  // Allowed.
      const size_t equals = member.find('=');
      if (equals == member.npos || !IsStateKey(member.substr(0, equals)) ||
          !IsStateValue(member.substr(equals + 1)) || ++members > kMaxStateMembers) {
        return "";
      }
      full = full || state.size() + 1 + member.size() > kMaxState;
      if (!full) state += StrCat(state.empty() ? "" : ",", member);
    }
  }
  return state;
}

}  // namespace tiffin
