#include "common/keys/wanted.h"

#include "common/keys/units.h"
#include "common/strings.h"

namespace tiffin::keys {
namespace {

using Json = nlohmann::json;

std::string WantedInteger(const Integer& form) {
  if (form.max == std::numeric_limits<int64_t>::max()) {
    return StrCat("a whole number from ", form.min, " on");
  }
  return StrCat("a whole number from ", form.min, " to ", form.max);
}

std::string WantedNumber(const Number& form) {
  if (form.min == -kAnyNumber) return "a number";
  if (form.min_is == Number::Min::kIncluded) {
    return StrCat("a number from ", form.min, " to ", form.max);
  }
  return StrCat("a number above ", form.min, ", at most ", form.max);
}

std::string WantedList(const List& form) {
  std::string count;
  const bool is_bounded = form.max != std::numeric_limits<size_t>::max();
  if (is_bounded) count = StrCat(form.min, " to ", form.max, " ");
  if (is_bounded && form.min == form.max) count = StrCat(form.min, " ");
  if (!is_bounded && form.min > 0)
    count = form.min == 1 ? "one or more " : StrCat(form.min, " or more ");
  std::string text(form.noun);
  if (!text.starts_with('[')) {
    text = StrCat("a list of ", count, form.is_unique ? "different " : "", form.noun);
  }
  if (const auto* item = std::get_if<Integer>(&form.item)) {
    text += StrCat(", each ", WantedInteger(*item));
  }
  return text;
}

struct ToWanted {
  std::string operator()(const Text& text) const { return std::string(text.wanted); }
  std::string operator()(const Integer& integer) const { return WantedInteger(integer); }
  std::string operator()(const Number& number) const { return WantedNumber(number); }
  std::string operator()(const Boolean&) const { return "true or false"; }
  std::string operator()(const Duration&) const {
    return StrCat("a number above 0 with its unit (", DurationUnits(),
                  "), such as 10s or 50ms, at most 24h");
  }
  std::string operator()(const Bytes& bytes) const {
    return StrCat("a whole number with its unit (", BytesUnits(), "), from ",
                  BytesToText(bytes.min), " to ", BytesToText(bytes.max));
  }
  std::string operator()(const Choice& choice) const { return Listed(choice.words, "or"); }
  std::string operator()(const List& list) const { return WantedList(list); }
  std::string operator()(const Nested& nested) const {
    return nested.text == nullptr ? "a mapping" : StrCat(nested.text->wanted, ", or a mapping");
  }
  std::string operator()(const Named& named) const {
    const std::string_view value = named.text == nullptr ? "a mapping" : named.text->wanted;
    return StrCat("a mapping from the names of ", named.noun, "s to ", value,
                  named.text != nullptr && named.section != nullptr ? ", or a mapping" : "");
  }
  std::string operator()(const AnyMapping& mapping) const {
    return mapping.example.empty() ? "a mapping" : StrCat("a mapping such as ", mapping.example);
  }
  std::string operator()(const NumberOrText&) const { return "a number or a text"; }
};

// Of forms without a fallback: null.
struct ToFallback {
  template <typename Form>
  Json operator()(const Form& form) const {
    if constexpr (requires { *form.fallback; }) {
      return form.fallback.has_value() ? AsWritten(*form.fallback, form) : Json(nullptr);
    } else {
      return nullptr;
    }
  }
  Json operator()(const Choice& choice) const {
    return choice.fallback.empty() ? Json(nullptr) : Json(std::string(choice.fallback));
  }

 private:
  template <typename Value, typename Form>
  static Json AsWritten(const Value& value, const Form&) {
    return value;
  }
  static Json AsWritten(absl::Duration value, const Duration&) { return ToText(value); }
  static Json AsWritten(uint64_t value, const Bytes&) { return BytesToText(value); }
};

}  // namespace

std::string Listed(std::span<const std::string_view> words, std::string_view last) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? StrCat(" ", last, " ") : ", ";
    text += words[i];
  }
  return text;
}

std::optional<bool> TruthOf(std::string_view word) {
  if (word == "on") return true;
  if (word == "off") return false;
  return std::nullopt;
}

std::string Wanted(const Form& form) { return std::visit(ToWanted{}, form); }

Json Fallback(const Form& form) { return std::visit(ToFallback{}, form); }

std::string FallbackText(const Key& key) {
  if (!key.otherwise.empty()) return std::string(key.otherwise);
  const Json fallback = Fallback(key.form);
  if (fallback.is_null()) return "";
  return fallback.is_string() ? fallback.get<std::string>() : fallback.dump();
}

}  // namespace tiffin::keys
