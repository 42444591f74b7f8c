#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/time/time.h"

// The keys that people write, in files and as options: a table for each mapping. What is written is
// read by these tables, and the reference and the JSON schema are made from them.
namespace tiffin::keys {

// Beyond it there is no number, for engines compute with floats.
inline constexpr double kAnyNumber = std::numeric_limits<float>::max();
inline constexpr absl::Duration kMaxDuration = absl::Hours(24);

// What may stand at a key. `fallback` is what holds where the key is not written.
struct Text {
  std::string_view wanted;        // Completes "must be".
  std::string_view pattern = {};  // JSON schema's kind, of all of the text; empty: any.
  bool any_scalar = false;        // What YAML takes for a number or a truth is text too.
};
struct Integer {
  int64_t min;
  int64_t max;
  std::optional<int64_t> fallback = std::nullopt;
};
struct Number {
  double min = -kAnyNumber;
  double max = kAnyNumber;
  enum class Min { kIncluded, kExcluded } min_is = Min::kIncluded;
  std::optional<double> fallback = std::nullopt;
};
struct Boolean {
  std::optional<bool> fallback = std::nullopt;
};
// A number and its unit (us, ms, s, m, h): above 0, to kMaxDuration.
struct Duration {
  std::optional<absl::Duration> fallback = std::nullopt;
};
// A whole number and its unit (KiB, MiB, GiB).
struct Bytes {
  uint64_t min;
  uint64_t max;
  std::optional<uint64_t> fallback = std::nullopt;
};
// One of a few words. Where `on` or `off` is one, true or false may stand for it.
struct Choice {
  std::span<const std::string_view> words;
  std::string_view fallback = {};
};
struct Section;
struct List {
  // "names": completes "a list of"; or a list itself: "[width, height]".
  std::string_view noun;
  std::variant<Integer, Text, const Section*> item;
  size_t min = 0;
  size_t max = std::numeric_limits<size_t>::max();
  bool is_unique = false;
};
// A mapping with keys of its own, or the text that may stand in its place.
struct Nested {
  const Section* section;
  const Text* text = nullptr;
};
// A mapping from names to texts, or sections, or both.
struct Named {
  std::string_view noun;  // "step"
  std::string_view example;
  const Text* text = nullptr;
  const Section* section = nullptr;
  const Text* names = nullptr;  // nullptr: kName.
};
struct AnyMapping {
  std::string_view example = {};  // "{size: 8}"
};
struct NumberOrText {};

using Form = std::variant<Text, Integer, Number, Boolean, Duration, Bytes, Choice, List, Nested,
                          Named, AnyMapping, NumberOrText>;

struct Key {
  std::string_view name;
  Form form;
  std::string_view meaning;  // A line for people, without the full stop.
  // What holds where the key is not written, if that is no plain value.
  std::string_view otherwise = {};
  // Of a key that must be written: what to add where it is missing, "service: its_name".
  std::string_view required = {};
};

// Of these keys, two to four, one has to be written.
struct Either {
  std::string_view first;
  std::string_view second;
  std::string_view third = {};   // Empty: there is none.
  std::string_view fourth = {};  // Likewise.
  std::string_view if_none;      // The fixes.
  std::string_view if_both;      // Empty: several may be written.

  std::vector<std::string_view> keys() const {
    std::vector<std::string_view> all = {first, second};
    if (!third.empty()) all.push_back(third);
    if (!fourth.empty()) all.push_back(fourth);
    return all;
  }
};

struct Section {
  std::span<const Key> keys;
  const Either* either = nullptr;
};

// The form of all names; what is a literal is none.
inline constexpr Text kName = {
    .wanted = "a name: lower-case letters, digits and '_', a letter first",
    .pattern = "(?!(true|false)$)[a-z][a-z0-9_]*"};

}  // namespace tiffin::keys
