#include "common/keys/units.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "common/strings.h"

namespace tiffin::keys {
namespace {

constexpr std::array<std::pair<std::string_view, absl::Duration>, 5> kDurationUnits = {
    {{"us", absl::Microseconds(1)},
     {"ms", absl::Milliseconds(1)},
     {"s", absl::Seconds(1)},
     {"m", absl::Minutes(1)},
     {"h", absl::Hours(1)}}};
constexpr std::array<std::pair<std::string_view, uint64_t>, 3> kBytesUnits = {
    {{"KiB", uint64_t{1} << 10}, {"MiB", uint64_t{1} << 20}, {"GiB", uint64_t{1} << 30}}};

// The unit `name` of `units`; nullopt if there is none.
template <typename Units>
auto FindUnit(const Units& units, std::string_view name) {
  const auto found = std::find_if(units.begin(), units.end(),
                                  [name](const auto& unit) { return unit.first == name; });
  return found == units.end() ? std::nullopt : std::optional(found->second);
}

template <typename Units>
std::string UnitNames(const Units& units, const char* separator) {
  return absl::StrJoin(units, separator,
                       [](std::string* out, const auto& unit) { out->append(unit.first); });
}

// Splits before the first character that is not in `set`.
std::pair<std::string_view, std::string_view> SplitAfter(std::string_view text,
                                                         std::string_view set) {
  const size_t end = std::min(text.find_first_not_of(set), text.size());
  return {text.substr(0, end), text.substr(end)};
}

}  // namespace

Quantity<absl::Duration> ParseDuration(std::string_view text) {
  const auto [digits, name] = SplitAfter(text, "0123456789.");
  const auto unit = FindUnit(kDurationUnits, name);
  const bool is_number = digits.find_first_of("0123456789") != digits.npos &&
                         std::count(digits.begin(), digits.end(), '.') <= 1;
  if (!unit.has_value() || !is_number) return {};
  double number = 0;
  if (!absl::SimpleAtod(ToAbsl(digits), &number)) number = HUGE_VAL;
  const absl::Duration duration = *unit * number;
  if (duration > absl::ZeroDuration() && duration <= kMaxDuration) return {.value = duration};
  return {.value = std::nullopt, .error = QuantityError::kRange};
}

Quantity<uint64_t> ParseBytes(std::string_view text, const Bytes& form) {
  const auto [digits, name] = SplitAfter(text, "0123456789");
  const auto unit = FindUnit(kBytesUnits, name);
  uint64_t number = 0;
  if (!unit.has_value() || !absl::SimpleAtoi(ToAbsl(digits), &number)) return {};
  if (number >= form.min / *unit && number <= form.max / *unit && number * *unit >= form.min) {
    return {.value = number * *unit};
  }
  return {.value = std::nullopt, .error = QuantityError::kRange};
}

std::string ToText(absl::Duration duration) { return absl::FormatDuration(duration); }

std::string BytesToText(uint64_t bytes) {
  const auto unit = std::find_if(kBytesUnits.rbegin(), kBytesUnits.rend() - 1,
                                 [bytes](const auto& one) { return bytes % one.second == 0; });
  return StrCat(bytes / unit->second, unit->first);
}

std::string DurationPattern() {
  return StrCat(R"(([0-9]+\.?[0-9]*|\.[0-9]+)()", UnitNames(kDurationUnits, "|"), ")");
}

std::string BytesPattern() { return StrCat("[0-9]+(", UnitNames(kBytesUnits, "|"), ")"); }

std::string DurationUnits() { return UnitNames(kDurationUnits, ", "); }
std::string BytesUnits() { return UnitNames(kBytesUnits, ", "); }

}  // namespace tiffin::keys
