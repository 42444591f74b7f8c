#include "worker/torch/text_options.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/torch/tokenizer/tokenizer_file.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;

constexpr std::string_view kTokenizerJson = "tokenizer.json";
constexpr std::string_view kVocabulary = "vocab.txt";
constexpr const char* kMaxLength = "max_length";
constexpr const char* kLowercase = "lowercase";
// No text model looks further.
constexpr int64_t kLargestMaxLength = 1 << 20;

bool HasFile(const BackendConfig& config, std::string_view name) {
  return std::find(config.files.begin(), config.files.end(), name) != config.files.end();
}

absl::Status Wrong(const char* option, const json& value, std::string_view wanted) {
  return absl::InvalidArgumentError(
      StrCat("torch backend: option '", option, "' is ",
             value.dump(-1, ' ', false, json::error_handler_t::replace), "; it must be ", wanted));
}

absl::Status CheckNames(const json& options) {
  for (const auto& [option, value] : options.items()) {
    if (option == kMaxLength || option == kLowercase) continue;
    return absl::InvalidArgumentError(StrCat("torch backend: unknown option '", option,
                                             "'; a text model's options are max_length and, with ",
                                             "a vocab.txt, lowercase"));
  }
  return absl::OkStatus();
}

absl::StatusOr<TokenizerSpec> ReadTokenizer(const BackendConfig& config) {
  const auto lowercase = config.options.find(kLowercase);
  if (HasFile(config, kTokenizerJson)) {
    if (lowercase == config.options.end()) {
      return ReadTokenizerJson(config.model_dir / kTokenizerJson);
    }
    return absl::InvalidArgumentError(
        "torch backend: option 'lowercase' goes with a vocab.txt; tokenizer.json says itself "
        "whether letters are lowered: leave the option out");
  }
  LetterCase letter_case = LetterCase::kLowered;
  if (lowercase != config.options.end()) {
    if (!lowercase->is_boolean()) return Wrong(kLowercase, *lowercase, "true or false");
    if (!lowercase->get<bool>()) letter_case = LetterCase::kKept;
  }
  return ReadVocabulary(config.model_dir / kVocabulary, letter_case);
}

absl::StatusOr<size_t> MaxLength(const json& options, const Tokenizer& tokenizer) {
  const auto least = static_cast<int64_t>(tokenizer.special_tokens()) + 1;
  const auto option = options.find(kMaxLength);
  if (option != options.end()) {
    if (!option->is_number_integer() || *option < least || *option > kLargestMaxLength) {
      return Wrong(kMaxLength, *option,
                   StrCat("a whole number of tokens from ", least, " to ", kLargestMaxLength));
    }
    return option->get<size_t>();
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

bool HasTokenizer(const BackendConfig& config) {
  return HasFile(config, kTokenizerJson) || HasFile(config, kVocabulary);
}

absl::StatusOr<TextOptions> ReadTextOptions(const BackendConfig& config) {
  RETURN_IF_ERROR(CheckNames(config.options));
  ASSIGN_OR_RETURN(TokenizerSpec spec, ReadTokenizer(config));
  ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::Create(std::move(spec)));
  ASSIGN_OR_RETURN(const size_t max_length, MaxLength(config.options, tokenizer));
  return TextOptions{std::move(tokenizer), max_length};
}

}  // namespace tiffin::worker
