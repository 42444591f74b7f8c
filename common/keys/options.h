#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "common/keys/key.h"
#include "nlohmann/json.hpp"

namespace tiffin::keys {

// The words of a Choice, from the table of what each stands for.
template <typename T, size_t N>
constexpr std::array<std::string_view, N> WordsOf(
    const std::pair<std::string_view, T> (&words)[N]) {
  std::array<std::string_view, N> names;
  for (size_t i = 0; i < N; ++i) names[i] = words[i].first;
  return names;
}

// The options of a backend, all of which are in its table and of their forms. Lives no longer than
// what it was read from.
class Options {
 public:
  // INVALID_ARGUMENT names the backend, the option and what it may be.
  static absl::StatusOr<Options> Read(std::string_view backend, std::span<const Key> known,
                                      const nlohmann::json& options);

  // nullptr where it is not written.
  const nlohmann::json* Find(std::string_view name) const;

  // What is written, else the key's fallback, which it must have then. The option must be in the
  // table, with that form.
  int64_t Integer(std::string_view name) const;
  double Number(std::string_view name) const;
  bool Boolean(std::string_view name) const;
  absl::Duration Duration(std::string_view name) const;
  // `words` is the table of the option's words.
  template <typename T, size_t N>
  T Choice(std::string_view name, const std::pair<std::string_view, T> (&words)[N]) const {
    const std::string word = Word(name);
    return std::find_if(words, words + N, [&](const auto& entry) { return entry.first == word; })
        ->second;
  }

 private:
  Options(std::span<const Key> known, const nlohmann::json& options)
      : known_(known), options_(options) {}

  const Key& KeyOf(std::string_view name) const;
  std::string Word(std::string_view name) const;

  std::span<const Key> known_;
  const nlohmann::json& options_;
};

// INVALID_ARGUMENT: `wanted` completes "it must be".
absl::Status WrongOption(std::string_view backend, std::string_view option,
                         const nlohmann::json& value, std::string_view wanted);

}  // namespace tiffin::keys
