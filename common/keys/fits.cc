#include "common/keys/fits.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <regex>
#include <set>
#include <string>
#include <string_view>

#include "common/keys/units.h"
#include "common/keys/wanted.h"

namespace tiffin::keys {
namespace {

using Json = nlohmann::json;

// Longer ones are none: std::regex recurses for each character.
constexpr size_t kLongestPatterned = 256;

bool FitsInteger(const Json& value, const Integer& form) {
  if (!value.is_number_integer()) return false;
  // Comparing it with a signed one would wrap it around.
  const bool is_huge =
      value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(form.max);
  return !is_huge && value.get<int64_t>() >= form.min && value.get<int64_t>() <= form.max;
}

bool FitsText(const Json& value, const Text& form) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  if (form.pattern.empty()) return !text.empty();
  return text.size() <= kLongestPatterned &&
         std::regex_match(text, std::regex(form.pattern.begin(), form.pattern.end()));
}

struct FitsForm {
  const Json& value;

  bool operator()(const Text& form) const { return FitsText(value, form); }
  bool operator()(const Integer& form) const { return FitsInteger(value, form); }
  bool operator()(const Number& form) const {
    if (!value.is_number()) return false;
    const auto number = value.get<double>();
    const bool is_above =
        form.min_is == Number::Min::kIncluded ? number >= form.min : number > form.min;
    return std::isfinite(number) && is_above && number <= form.max;
  }
  bool operator()(const Boolean&) const { return value.is_boolean(); }
  bool operator()(const Duration&) const {
    return value.is_string() &&
           ParseDuration(value.get_ref<const std::string&>()).value.has_value();
  }
  bool operator()(const Bytes& form) const {
    return value.is_string() &&
           ParseBytes(value.get_ref<const std::string&>(), form).value.has_value();
  }
  bool operator()(const Choice& form) const {
    return std::any_of(form.words.begin(), form.words.end(), [this](std::string_view word) {
      return value == std::string(word) ||
             (value.is_boolean() && TruthOf(word) == value.get<bool>());
    });
  }
  bool operator()(const List& form) const {
    if (!value.is_array() || value.size() < form.min || value.size() > form.max) return false;
    if (form.is_unique && std::set<Json>(value.begin(), value.end()).size() < value.size()) {
      return false;
    }
    return std::all_of(value.begin(), value.end(), [&form](const Json& item) {
      const auto* integer = std::get_if<Integer>(&form.item);
      return integer != nullptr ? FitsInteger(item, *integer)
                                : FitsText(item, std::get<Text>(form.item));
    });
  }
  bool operator()(const AnyMapping&) const { return value.is_object(); }
  bool operator()(const NumberOrText&) const { return value.is_number() || value.is_string(); }
  // These have readers of their own.
  bool operator()(const Nested&) const { return false; }
  bool operator()(const Named&) const { return false; }
};

}  // namespace

bool Fits(const Json& value, const Form& form) { return std::visit(FitsForm{value}, form); }

}  // namespace tiffin::keys
