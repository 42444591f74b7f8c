#include "common/config/scalars.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "common/config/name_hint.h"
#include "common/keys/fits.h"
#include "common/keys/units.h"
#include "common/keys/wanted.h"
#include "common/strings.h"

namespace tiffin::config {
namespace {

using Json = nlohmann::json;

// Takes the characters from the front of `text` that are in `set`; how many there were.
size_t TakeAll(std::string_view& text, std::string_view set) {
  const size_t count = std::min(text.find_first_not_of(set), text.size());
  text.remove_prefix(count);
  return count;
}

constexpr std::string_view kDigits = "0123456789";

enum class NumberForm { kNone, kDecimal, kOctal, kHex, kFloat, kNotFinite };

// What kind of number YAML's core schema sees in a plain scalar.
NumberForm FormOf(std::string_view text) {
  if (text.starts_with("0x")) {
    text.remove_prefix(2);
    return TakeAll(text, "0123456789abcdefABCDEF") > 0 && text.empty() ? NumberForm::kHex
                                                                       : NumberForm::kNone;
  }
  if (text.starts_with("0o")) {
    text.remove_prefix(2);
    return TakeAll(text, "01234567") > 0 && text.empty() ? NumberForm::kOctal : NumberForm::kNone;
  }
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return NumberForm::kNotFinite;
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text == ".inf" || text == ".Inf" || text == ".INF") return NumberForm::kNotFinite;

  const size_t whole = TakeAll(text, kDigits);
  if (whole > 0 && text.empty()) return NumberForm::kDecimal;
  size_t fraction = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = TakeAll(text, kDigits);
  }
  if (whole + fraction == 0) return NumberForm::kNone;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (TakeAll(text, kDigits) == 0) return NumberForm::kNone;
  }
  return text.empty() ? NumberForm::kFloat : NumberForm::kNone;
}

// The number in `text`, which has the form `form`; null if it is beyond 64 bits.
Json NumberOf(std::string_view text, NumberForm form) {
  if (text.starts_with('+')) text.remove_prefix(1);
  int64_t integer = 0;
  uint64_t positive = 0;
  double real = 0;
  switch (form) {
    case NumberForm::kDecimal:
      if (absl::SimpleAtoi(ToAbsl(text), &integer)) return integer;
      if (absl::SimpleAtoi(ToAbsl(text), &positive)) return positive;
      return nullptr;
    case NumberForm::kOctal:
    case NumberForm::kHex: {
      const uint64_t base = form == NumberForm::kHex ? 16 : 8;
      for (const char c : text.substr(2)) {
        const auto digit = static_cast<uint64_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        if (__builtin_mul_overflow(positive, base, &positive) ||
            __builtin_add_overflow(positive, digit, &positive)) {
          return nullptr;
        }
      }
      // Signed where it fits, as decimal ones are.
      if (positive <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return static_cast<int64_t>(positive);
      }
      return positive;
    }
    case NumberForm::kFloat:
      if (absl::SimpleAtod(ToAbsl(text), &real) && std::isfinite(real)) return real;
      return nullptr;
    case NumberForm::kNone:
    case NumberForm::kNotFinite:
      break;
  }
  return nullptr;
}

Json ScalarToJson(const YamlNode& node, Diagnostics& diagnostics) {
  const std::string& text = node.text;
  if (node.quoted) return text;
  if (text == "null" || text == "Null" || text == "NULL" || text == "~" || text.empty()) {
    return nullptr;
  }
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const NumberForm form = FormOf(text);
  if (form == NumberForm::kNone) return text;
  Json number = NumberOf(text, form);
  if (number.is_null()) {
    diagnostics.Add(node.location,
                    StrCat("the number ", Quoted(text),
                           form == NumberForm::kNotFinite ? " is not finite" : " is too large",
                           "; write a finite one, or put it in quotes if it is text"));
  }
  return number;
}

// Reports that `node` is not what was wanted, unless it was reported already.
std::nullopt_t Unfit(const YamlNode& node, std::string_view message, Diagnostics& diagnostics) {
  if (!node.is(YamlNode::Kind::kBroken)) {
    diagnostics.Add(node.location, StrCat(message, ", not ", Describe(node)));
  }
  return std::nullopt;
}

// The number that `node` is, null if it is none.
Json NumberIn(const YamlNode& node) {
  if (!node.is(YamlNode::Kind::kScalar) || node.quoted) return nullptr;
  return NumberOf(node.text, FormOf(node.text));
}

}  // namespace

std::string Describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return node.quoted ? StrCat("the text ", Quoted(node.text)) : Quoted(node.text);
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a mapping";
    case YamlNode::Kind::kBroken:
      break;
  }
  return "something broken";
}

std::optional<std::string> ReadText(const YamlNode& node, std::string_view what,
                                    Diagnostics& diagnostics) {
  if (node.is(YamlNode::Kind::kScalar) && !node.text.empty()) return node.text;
  return Unfit(node, StrCat(what, " must be text"), diagnostics);
}

std::optional<int64_t> ReadInteger(const YamlNode& node, std::string_view what,
                                   const keys::Integer& form, Diagnostics& diagnostics) {
  const Json number = NumberIn(node);
  if (keys::Fits(number, form)) return number.get<int64_t>();
  return Unfit(node, StrCat(what, " must be ", keys::Wanted(form)), diagnostics);
}

std::optional<double> ReadNumber(const YamlNode& node, std::string_view what,
                                 const keys::Number& form, Diagnostics& diagnostics) {
  const Json number = NumberIn(node);
  if (keys::Fits(number, form)) return number.get<double>();
  return Unfit(node, StrCat(what, " must be ", keys::Wanted(form)), diagnostics);
}

std::optional<absl::Duration> ReadDuration(const YamlNode& node, std::string_view what,
                                           Diagnostics& diagnostics) {
  if (node.is(YamlNode::Kind::kScalar)) {
    const auto [duration, error] = keys::ParseDuration(node.text);
    if (duration.has_value()) return duration;
    if (error == keys::QuantityError::kRange) {
      return Unfit(node, StrCat(what, " must be above 0 and at most 24h"), diagnostics);
    }
  }
  return Unfit(node,
               StrCat(what, " must be a number with its unit (", keys::DurationUnits(),
                      "), such as 10s or 50ms"),
               diagnostics);
}

std::optional<bool> ReadBoolean(const YamlNode& node, std::string_view what,
                                Diagnostics& diagnostics) {
  if (node.is(YamlNode::Kind::kScalar) && !node.quoted) {
    if (node.text == "true") return true;
    if (node.text == "false") return false;
  }
  return Unfit(node, StrCat(what, " must be true or false"), diagnostics);
}

std::optional<uint64_t> ReadBytes(const YamlNode& node, std::string_view what,
                                  const keys::Bytes& form, Diagnostics& diagnostics) {
  if (node.is(YamlNode::Kind::kScalar)) {
    const auto [bytes, error] = keys::ParseBytes(node.text, form);
    if (bytes.has_value()) return bytes;
    if (error == keys::QuantityError::kRange) {
      return Unfit(node,
                   StrCat(what, " must be from ", keys::BytesToText(form.min), " to ",
                          keys::BytesToText(form.max)),
                   diagnostics);
    }
  }
  return Unfit(node,
               StrCat(what, " must be a whole number with its unit (", keys::BytesUnits(),
                      "), such as 64MiB"),
               diagnostics);
}

std::optional<std::string> ReadChoice(const YamlNode& node, std::string_view what,
                                      const keys::Choice& form, Diagnostics& diagnostics) {
  const bool is_known =
      node.is(YamlNode::Kind::kScalar) &&
      std::find(form.words.begin(), form.words.end(), node.text) != form.words.end();
  if (is_known) return node.text;
  return Unfit(node, StrCat(what, " must be ", keys::Wanted(form)), diagnostics);
}

Json ReadJson(const YamlNode& node, Diagnostics& diagnostics) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
    case YamlNode::Kind::kBroken:
      break;
    case YamlNode::Kind::kScalar:
      return ScalarToJson(node, diagnostics);
    case YamlNode::Kind::kSequence: {
      Json list = Json::array();
      for (const YamlNode& item : node.items) list.push_back(ReadJson(item, diagnostics));
      return list;
    }
    case YamlNode::Kind::kMap: {
      Json object = Json::object();
      for (const YamlEntry& entry : node.entries) {
        object[entry.key] = ReadJson(entry.value, diagnostics);
      }
      return object;
    }
  }
  return nullptr;
}

}  // namespace tiffin::config
