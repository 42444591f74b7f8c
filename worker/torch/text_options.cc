#include "worker/torch/text_options.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "common/keys/options.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/torch/tokenizer/tokenizer_file.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;

constexpr std::string_view kTokenizerJson = "tokenizer.json";
constexpr std::string_view kVocabulary = "vocab.txt";
constexpr std::string_view kMaxLength = "max_length";
constexpr std::string_view kLowercase = "lowercase";
// No text model looks further.
constexpr int64_t kLargestMaxLength = 1 << 20;

constexpr std::array<keys::Key, 2> kKeys = {{
    {.name = kMaxLength,
     .form = keys::Integer{.min = 1, .max = kLargestMaxLength},
     .meaning = "Of a text classifier: longer texts are cut to so many tokens, special ones "
                "included, and one more than those at least",
     .otherwise = "what tokenizer.json says"},
    {.name = kLowercase,
     .form = keys::Boolean{.fallback = true},
     .meaning = "Of a text classifier with a vocab.txt: letters are lowered"},
}};

bool HasFile(const BackendConfig& config, std::string_view name) {
  return std::find(config.files.begin(), config.files.end(), name) != config.files.end();
}

absl::StatusOr<TokenizerSpec> ReadTokenizer(const BackendConfig& config,
                                            const keys::Options& options) {
  if (HasFile(config, kTokenizerJson)) {
    if (options.Find(kLowercase) == nullptr) {
      return ReadTokenizerJson(config.model_dir / kTokenizerJson);
    }
    return absl::InvalidArgumentError(
        "torch backend: option 'lowercase' goes with a vocab.txt; tokenizer.json says itself "
        "whether letters are lowered: leave the option out");
  }
  const auto letter_case = options.Boolean(kLowercase) ? LetterCase::kLowered : LetterCase::kKept;
  return ReadVocabulary(config.model_dir / kVocabulary, letter_case);
}

absl::StatusOr<size_t> MaxLength(const keys::Options& options, const Tokenizer& tokenizer) {
  const auto least = static_cast<int64_t>(tokenizer.special_tokens()) + 1;
  if (const json* option = options.Find(kMaxLength)) {
    if (*option >= least) return option->get<size_t>();
    return keys::WrongOption(
        "torch", kMaxLength, *option,
        StrCat("a whole number of tokens from ", least, " to ", kLargestMaxLength));
  }
  if (!tokenizer.max_length().has_value()) {
    return absl::InvalidArgumentError(
        "torch backend: neither the options nor the tokenizer's file tell the longest text that "
        "the model takes, in tokens; give it with '--option max_length=N' when importing the "
        "model");
  }
  if (*tokenizer.max_length() < least || *tokenizer.max_length() > kLargestMaxLength) {
    return absl::InvalidArgumentError(
        StrCat("torch backend: tokenizer.json cuts texts to ", *tokenizer.max_length(),
               " tokens, which must be ", least, " to ", kLargestMaxLength,
               "; give another limit with '--option max_length=N' when importing the model"));
  }
  return static_cast<size_t>(*tokenizer.max_length());
}

}  // namespace

std::span<const keys::Key> TextKeys() { return kKeys; }

bool HasTokenizer(const BackendConfig& config) {
  return HasFile(config, kTokenizerJson) || HasFile(config, kVocabulary);
}

absl::StatusOr<TextOptions> ReadTextOptions(const BackendConfig& config) {
  ASSIGN_OR_RETURN(const keys::Options options,
                   keys::Options::Read("torch", kKeys, config.options));
  ASSIGN_OR_RETURN(TokenizerSpec spec, ReadTokenizer(config, options));
  ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::Create(std::move(spec)));
  ASSIGN_OR_RETURN(const size_t max_length, MaxLength(options, tokenizer));
  return TextOptions{std::move(tokenizer), max_length};
}

}  // namespace tiffin::worker
