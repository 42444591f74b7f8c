#include "worker/torch/tokenizer/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "common/strings.h"

namespace tiffin::worker {
namespace {

constexpr uint32_t kPunctuation = U_GC_PD_MASK | U_GC_PS_MASK | U_GC_PE_MASK | U_GC_PC_MASK |
                                  U_GC_PO_MASK | U_GC_PI_MASK | U_GC_PF_MASK;
constexpr uint32_t kControl = U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK;
constexpr char32_t kReplacement = 0xFFFD;
constexpr uint32_t kUnassigned = U_GC_CN_MASK;

// What has changed its category since Unicode 8.
constexpr std::array<std::pair<char32_t, uint32_t>, 6> kChanged = {{
    {U'\u166D', U_GC_PO_MASK},      // Canadian syllabics chi sign.
    {U'\u1734', U_GC_MN_MASK},      // Hanunoo sign pamudpod.
    {U'\u1885', U_GC_LO_MASK},      // Mongolian letter ali gali baluda.
    {U'\u1886', U_GC_LO_MASK},      // Mongolian letter ali gali three baluda.
    {U'\uA9BD', U_GC_MC_MASK},      // Javanese consonant sign keret.
    {U'\U000111C9', U_GC_PO_MASK},  // Sharada sandhi mark.
}};

// As a mask of one bit.
uint32_t CategoryInUnicode8(char32_t c) {
  for (const auto& [changed, category] : kChanged) {
    if (c == changed) return category;
  }
  const auto code = static_cast<UChar32>(c);
  UVersionInfo age;
  u_charAge(code, age);
  return age[0] <= 8 ? U_GET_GC_MASK(code) : kUnassigned;
}

bool Between(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

struct Decoded {
  // Negative if it is not UTF-8.
  UChar32 value = 0;
  size_t size = 0;
};

// ICU's macro narrows on purpose.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
Decoded Decode(std::string_view text, size_t position) {
  const char* bytes = text.data() + position;
  const auto left = static_cast<int32_t>(std::min<size_t>(text.size() - position, U8_MAX_LENGTH));
  int32_t size = 0;
  UChar32 c = 0;
  U8_NEXT(bytes, size, left, c);
  return {c, static_cast<size_t>(size)};
}
#pragma GCC diagnostic pop

}  // namespace

CodePoint DecodeAt(std::string_view text, size_t position) {
  const Decoded decoded = Decode(text, position);
  return {decoded.value < 0 ? kReplacement : static_cast<char32_t>(decoded.value), decoded.size};
}

void AppendUtf8(char32_t c, std::string& out) {
  std::array<char, U8_MAX_LENGTH> bytes{};
  int32_t size = 0;
  U8_APPEND_UNSAFE(bytes, size, static_cast<uint32_t>(c));
  out.append(bytes.data(), static_cast<size_t>(size));
}

size_t ValidUtf8Size(std::string_view text) {
  size_t position = 0;
  while (position < text.size()) {
    if (static_cast<unsigned char>(text[position]) < 0x80) {
      ++position;
      continue;
    }
    const Decoded decoded = Decode(text, position);
    if (decoded.value < 0) return position;
    position += decoded.size;
  }
  return position;
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool IsWhitespace(char32_t c) {
  if (c < 0x80) return c == ' ' || Between(c, '\t', '\r');
  return u_isUWhiteSpace(static_cast<UChar32>(c)) != 0;
}

bool IsPunctuation(char32_t c) {
  if (c < 0x80) {
    return Between(c, '!', '/') || Between(c, ':', '@') || Between(c, '[', '`') ||
           Between(c, '{', '~');
  }
  return (CategoryInUnicode8(c) & kPunctuation) != 0;
}

bool IsControl(char32_t c) {
  if (c < 0x80) return (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
  return (CategoryInUnicode8(c) & kControl) != 0;
}

bool IsNonspacingMark(char32_t c) {
  return c >= 0x80 && (CategoryInUnicode8(c) & U_GC_MN_MASK) != 0;
}

bool IsChinese(char32_t c) {
  return c >= 0x3400 && (Between(c, 0x4E00, 0x9FFF) || Between(c, 0x3400, 0x4DBF) ||
                         Between(c, 0xF900, 0xFAFF) || Between(c, 0x20000, 0x2A6DF) ||
                         Between(c, 0x2A700, 0x2B73F) || Between(c, 0x2B740, 0x2B81F) ||
                         Between(c, 0x2B920, 0x2CEAF) || Between(c, 0x2F800, 0x2FA1F));
}

bool IsWordCharacter(char32_t c) {
  const auto code = static_cast<UChar32>(c);
  constexpr uint32_t kWord = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  return u_isUAlphabetic(code) != 0 || (U_GET_GC_MASK(code) & kWord) != 0 ||
         u_hasBinaryProperty(code, UCHAR_JOIN_CONTROL) != 0;
}

void AppendLowerCase(char32_t c, std::string& out) {
  // The one character whose lower case is two.
  if (c == U'\u0130') {
    out += "i\u0307";
    return;
  }
  AppendUtf8(static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))), out);
}

struct Decomposer::Tables {
  explicit Tables(const icu::Normalizer2& nfd, UErrorCode& error)
      : known(u"[:age=9.0:]", error), normalizer(nfd, *known.freeze()) {}

  // What newer standards know is left as it is.
  icu::UnicodeSet known;
  icu::FilteredNormalizer2 normalizer;
};

absl::StatusOr<Decomposer> Decomposer::Create() {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(error);
  std::unique_ptr<const Tables> tables;
  if (U_SUCCESS(error)) tables = std::make_unique<Tables>(*nfd, error);
  if (U_FAILURE(error)) {
    return absl::InternalError(
        StrCat("ICU's tables are not there (", u_errorName(error), "); install libicu72 again"));
  }
  return Decomposer(std::move(tables));
}

Decomposer::Decomposer(std::unique_ptr<const Tables> tables) : tables_(std::move(tables)) {}
Decomposer::Decomposer(Decomposer&&) noexcept = default;
Decomposer& Decomposer::operator=(Decomposer&&) noexcept = default;
Decomposer::~Decomposer() = default;

std::string Decomposer::Decompose(std::string_view text) const {
  std::string decomposed;
  icu::StringByteSink<std::string> sink(&decomposed, static_cast<int32_t>(text.size()));
  UErrorCode error = U_ZERO_ERROR;
  tables_->normalizer.normalizeUTF8(
      0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink, nullptr, error);
  // Only want of memory makes it fail, and that throws in a std::string.
  return U_SUCCESS(error) ? decomposed : std::string(text);
}

}  // namespace tiffin::worker
