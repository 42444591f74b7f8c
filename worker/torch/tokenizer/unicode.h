#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Unicode as Hugging Face's tokenizers see it. Their tables are of several ages, and what a
// character was when a model was trained matters more than what it is by the newest standard. So
// the classes are those of Unicode 8, decomposition is that of Unicode 9, and lower case and white
// space are ICU's.
namespace tiffin::worker {

struct CodePoint {
  char32_t value = 0;
  // In bytes of UTF-8.
  size_t size = 0;
};

// U+FFFD where `text` has no character in UTF-8. `position` must be inside it.
CodePoint DecodeAt(std::string_view text, size_t position);
void AppendUtf8(char32_t c, std::string& out);
// How many bytes at the beginning of `text` are UTF-8: all of them if it is valid.
size_t ValidUtf8Size(std::string_view text);
bool IsAscii(std::string_view text);

bool IsWhitespace(char32_t c);
// Of a category P, or a symbol of ASCII.
bool IsPunctuation(char32_t c);
// Controls, format characters and private use; unassigned ones are not among them.
bool IsControl(char32_t c);
bool IsNonspacingMark(char32_t c);
// What is put between spaces, so that it becomes a word of its own.
bool IsChinese(char32_t c);
// What a regular expression means by \w, by ICU's tables.
bool IsWordCharacter(char32_t c);
// Character by character: a sigma at the end of a word is like any other.
void AppendLowerCase(char32_t c, std::string& out);

// Canonical decomposition (NFD). Any number of threads may use it at the same time.
class Decomposer {
 public:
  // Fails if ICU's data are not there.
  static absl::StatusOr<Decomposer> Create();
  Decomposer(Decomposer&&) noexcept;
  Decomposer& operator=(Decomposer&&) noexcept;
  ~Decomposer();

  // `text` is UTF-8 of less than 2 GiB.
  std::string Decompose(std::string_view text) const;

 private:
  struct Tables;
  explicit Decomposer(std::unique_ptr<const Tables> tables);

  std::unique_ptr<const Tables> tables_;
};

}  // namespace tiffin::worker
