#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "common/keys/key.h"

namespace tiffin::keys {

// Of a text that is no quantity, or one that is out of the range.
enum class QuantityError { kForm, kRange };

template <typename T>
struct Quantity {
  std::optional<T> value;
  QuantityError error = QuantityError::kForm;  // Where there is no value.
};

// "50ms", "1.5s": a number without a sign, and its unit.
Quantity<absl::Duration> ParseDuration(std::string_view text);
// "64MiB"
Quantity<uint64_t> ParseBytes(std::string_view text, const Bytes& form);

// As they are written.
std::string ToText(absl::Duration duration);
std::string BytesToText(uint64_t bytes);

// What both look like, as JSON schema's patterns. They tell nothing of ranges.
std::string DurationPattern();
std::string BytesPattern();

// "us, ms, s, m, h"
std::string DurationUnits();
std::string BytesUnits();

}  // namespace tiffin::keys
