#include "worker/torch/tokenizer/tokenizer_file.h"

#include <array>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "nlohmann/json.hpp"

namespace tiffin::worker {
namespace {

using nlohmann::json;

// Far beyond any vocabulary.
constexpr uintmax_t kLargestFile = 256 << 20;

template <typename... Pieces>
absl::Status Wrong(const Pieces&... pieces) {
  return absl::InvalidArgumentError(StrCat(pieces...));
}

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<std::string> ReadFile(const std::filesystem::path& file) {
  std::error_code code;
  const uintmax_t size = std::filesystem::file_size(file, code);
  if (code) return Wrong("cannot be read: ", code.message());
  if (size > kLargestFile) return Wrong("has ", size, " bytes: too many for a tokenizer");
  std::ifstream stream(file, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) return Wrong("cannot be read");
  return content;
}

absl::Status InFile(const std::filesystem::path& file, const absl::Status& status) {
  return absl::Status(status.code(), StrCat("'", file.string(), "': ", Message(status)));
}

// The member `key` of `object`; null if it is not there.
const json& Member(const json& object, const char* key) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

absl::StatusOr<bool> Flag(const json& object, const char* key, bool default_value) {
  const json& value = Member(object, key);
  if (value.is_null()) return default_value;
  if (value.is_boolean()) return value.get<bool>();
  return Wrong("'", key, "' is ", Dump(value), "; it must be true or false");
}

absl::StatusOr<std::string> Text(const json& object, const char* key, const char* default_value) {
  const json& value = Member(object, key);
  if (value.is_null() && default_value != nullptr) return std::string(default_value);
  if (value.is_string()) return value.get<std::string>();
  return Wrong("'", key, "' is ", Dump(value), "; it must be text");
}

// A number of a token or of tokens.
absl::StatusOr<int64_t> Number(const json& value, std::string_view what) {
  if (value.is_number_integer() && value >= 0 && value <= INT32_MAX) return value.get<int64_t>();
  return Wrong(what, " is ", Dump(value), "; it must be a whole number from 0");
}

// What a part of the tokenizer is, by the name that the file gives it.
std::string TypeOf(const json& part) {
  if (part.is_null()) return "none";
  const json& type = Member(part, "type");
  return type.is_string() ? type.get<std::string>() : "of no type";
}

absl::Status CheckType(const json& tokenizer, const char* part, std::string_view understood) {
  const std::string type = TypeOf(Member(tokenizer, part));
  if (type == understood) return absl::OkStatus();
  return Wrong("its ", part, " is ", type, ", and only ", understood,
               " is understood; serve a model of the BERT family, with WordPiece");
}

absl::StatusOr<BertNormalizerOptions> ParseNormalizer(const json& tokenizer) {
  RETURN_IF_ERROR(CheckType(tokenizer, "normalizer", "BertNormalizer"));
  const json& normalizer = Member(tokenizer, "normalizer");
  BertNormalizerOptions options;
  ASSIGN_OR_RETURN(options.clean_text, Flag(normalizer, "clean_text", true));
  ASSIGN_OR_RETURN(options.handle_chinese_chars, Flag(normalizer, "handle_chinese_chars", true));
  ASSIGN_OR_RETURN(options.lowercase, Flag(normalizer, "lowercase", true));
  ASSIGN_OR_RETURN(options.strip_accents, Flag(normalizer, "strip_accents", options.lowercase));
  return options;
}

absl::StatusOr<int64_t> Find(const StringMap& vocabulary, std::string_view token) {
  const auto found = vocabulary.find(token);
  if (found != vocabulary.end()) return found->second;
  return Wrong("the vocabulary has no token '", token, "'");
}

absl::StatusOr<WordPieceOptions> ParseModel(const json& tokenizer) {
  RETURN_IF_ERROR(CheckType(tokenizer, "model", "WordPiece"));
  const json& model = Member(tokenizer, "model");
  WordPieceOptions options;
  const json& vocabulary = Member(model, "vocab");
  if (!vocabulary.is_object() || vocabulary.empty()) return Wrong("its model has no 'vocab'");
  options.vocabulary.reserve(vocabulary.size());
  for (const auto& [token, value] : vocabulary.items()) {
    ASSIGN_OR_RETURN(const int64_t id, Number(value, StrCat("the number of token '", token, "'")));
    options.vocabulary.emplace(token, id);
  }
  ASSIGN_OR_RETURN(const std::string unknown, Text(model, "unk_token", "[UNK]"));
  ASSIGN_OR_RETURN(options.unknown, Find(options.vocabulary, unknown));
  ASSIGN_OR_RETURN(options.continuing_prefix, Text(model, "continuing_subword_prefix", "##"));
  const json& longest = Member(model, "max_input_chars_per_word");
  if (!longest.is_null()) {
    ASSIGN_OR_RETURN(const int64_t length, Number(longest, "'max_input_chars_per_word'"));
    options.max_word_length = static_cast<size_t>(length);
  }
  return options;
}

absl::StatusOr<std::vector<AddedToken>> ParseAddedTokens(const json& tokenizer,
                                                         const StringMap& vocabulary) {
  std::vector<AddedToken> tokens;
  const json& list = Member(tokenizer, "added_tokens");
  if (list.is_null()) return tokens;
  if (!list.is_array()) return Wrong("its 'added_tokens' are not a list");
  for (const json& entry : list) {
    AddedToken token;
    ASSIGN_OR_RETURN(token.content, Text(entry, "content", nullptr));
    if (token.content.empty()) continue;
    ASSIGN_OR_RETURN(
        token.id, Number(Member(entry, "id"), StrCat("the number of token '", token.content, "'")));
    const auto known = vocabulary.find(token.content);
    if (known != vocabulary.end() && known->second != token.id) {
      return Wrong("the added token '", token.content, "' is ", token.id,
                   ", and in the vocabulary it is ", known->second);
    }
    ASSIGN_OR_RETURN(token.single_word, Flag(entry, "single_word", false));
    ASSIGN_OR_RETURN(token.strips_left, Flag(entry, "lstrip", false));
    ASSIGN_OR_RETURN(token.strips_right, Flag(entry, "rstrip", false));
    ASSIGN_OR_RETURN(token.normalized, Flag(entry, "normalized", true));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// A token as BertProcessing has it: ["[SEP]", 102].
absl::StatusOr<int64_t> ParsePair(const json& processor, const char* key) {
  const json& pair = Member(processor, key);
  if (!pair.is_array() || pair.size() != 2) {
    return Wrong("its post_processor has no '", key, "', a token and its number");
  }
  return Number(pair[1], StrCat("the number of the post_processor's '", key, "'"));
}

// The numbers that a special token of a template stands for.
absl::StatusOr<std::vector<int64_t>> ParseSpecial(const json& processor, const json& special) {
  ASSIGN_OR_RETURN(const std::string name, Text(special, "id", nullptr));
  const json& numbers = Member(Member(Member(processor, "special_tokens"), name.c_str()), "ids");
  if (!numbers.is_array()) return Wrong("its post_processor does not say what '", name, "' is");
  std::vector<int64_t> ids;
  for (const json& number : numbers) {
    ASSIGN_OR_RETURN(const int64_t id, Number(number, StrCat("the number of '", name, "'")));
    ids.push_back(id);
  }
  return ids;
}

// Of a template the one for a single text: special tokens around the sequence A.
absl::StatusOr<SpecialTokens> ParseTemplate(const json& processor) {
  const json& single = Member(processor, "single");
  if (!single.is_array()) return Wrong("its post_processor has no template 'single'");
  SpecialTokens around;
  bool seen_text = false;
  for (const json& piece : single) {
    const bool is_text = Member(Member(piece, "Sequence"), "id") == "A";
    const json& content = Member(piece, is_text ? "Sequence" : "SpecialToken");
    if (!content.is_object() || (is_text && seen_text)) {
      return Wrong("its post_processor has ", Dump(piece), " in 'single', which must be special ",
                   "tokens around one sequence A");
    }
    if (!Member(content, "type_id").is_null() && Member(content, "type_id") != 0) {
      return Wrong("its post_processor has a type_id other than 0 in 'single', which is not ",
                   "understood");
    }
    if (is_text) {
      seen_text = true;
      continue;
    }
    ASSIGN_OR_RETURN(const std::vector<int64_t> ids, ParseSpecial(processor, content));
    std::vector<int64_t>& side = seen_text ? around.after : around.before;
    side.insert(side.end(), ids.begin(), ids.end());
  }
  if (!seen_text) return Wrong("its post_processor's template 'single' has no sequence A");
  return around;
}

absl::StatusOr<SpecialTokens> ParsePostProcessor(const json& tokenizer) {
  SpecialTokens around;
  const json& processor = Member(tokenizer, "post_processor");
  const std::string type = TypeOf(processor);
  if (type == "TemplateProcessing") {
    ASSIGN_OR_RETURN(around, ParseTemplate(processor));
  } else if (type == "BertProcessing") {
    ASSIGN_OR_RETURN(const int64_t first, ParsePair(processor, "cls"));
    ASSIGN_OR_RETURN(const int64_t last, ParsePair(processor, "sep"));
    around = {.before = {first}, .after = {last}};
  } else {
    return Wrong("its post_processor is ", type,
                 ", and only TemplateProcessing and BertProcessing are understood");
  }
  if (!around.before.empty() || !around.after.empty()) return around;
  return Wrong("its post_processor puts no special token around a text, so an empty one would ",
               "have no token");
}

// In tokens; nullopt if nothing is cut.
absl::StatusOr<std::optional<int64_t>> ParseTruncation(const json& tokenizer) {
  const json& truncation = Member(tokenizer, "truncation");
  if (truncation.is_null()) return std::nullopt;
  ASSIGN_OR_RETURN(const int64_t max_length,
                   Number(Member(truncation, "max_length"), "its max_length"));
  ASSIGN_OR_RETURN(const std::string direction, Text(truncation, "direction", "Right"));
  ASSIGN_OR_RETURN(const std::string strategy, Text(truncation, "strategy", "LongestFirst"));
  if (direction == "Right" && strategy != "OnlySecond") return max_length;
  return Wrong("its truncation is ", strategy, " from the ", direction,
               "; only LongestFirst and OnlyFirst from the Right are understood");
}

// The number that fills rows up: as `padding` says, else the token [PAD]'s.
absl::StatusOr<int64_t> ParsePadding(const json& tokenizer,
                                     std::span<const AddedToken> added_tokens,
                                     const StringMap& vocabulary) {
  const json& padding = Member(tokenizer, "padding");
  if (!padding.is_null()) {
    ASSIGN_OR_RETURN(const std::string direction, Text(padding, "direction", "Right"));
    if (direction == "Right") return Number(Member(padding, "pad_id"), "its pad_id");
    return Wrong("its padding is at the ", direction, "; only Right is understood");
  }
  for (const AddedToken& token : added_tokens) {
    if (token.content == "[PAD]") return token.id;
  }
  return Find(vocabulary, "[PAD]");
}

// The lines, numbered; of a token that is there twice, the last.
StringMap NumberLines(std::string_view content) {
  StringMap vocabulary;
  for (int64_t number = 0; !content.empty(); ++number) {
    const size_t end = std::min(content.find('\n'), content.size());
    std::string_view line = content.substr(0, end);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) {
      line.remove_suffix(1);
    }
    vocabulary.insert_or_assign(std::string(line), number);
    content.remove_prefix(std::min(end + 1, content.size()));
  }
  return vocabulary;
}

absl::StatusOr<TokenizerSpec> FromLines(std::string_view content, LetterCase letter_case) {
  TokenizerSpec spec;
  spec.normalizer.lowercase = letter_case == LetterCase::kLowered;
  spec.normalizer.strip_accents = spec.normalizer.lowercase;
  spec.model.vocabulary = NumberLines(content);
  ASSIGN_OR_RETURN(spec.model.unknown, Find(spec.model.vocabulary, "[UNK]"));
  ASSIGN_OR_RETURN(const int64_t first, Find(spec.model.vocabulary, "[CLS]"));
  ASSIGN_OR_RETURN(const int64_t last, Find(spec.model.vocabulary, "[SEP]"));
  ASSIGN_OR_RETURN(spec.padding, Find(spec.model.vocabulary, "[PAD]"));
  spec.around = {.before = {first}, .after = {last}};
  for (const std::string_view special : {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"}) {
    const auto found = spec.model.vocabulary.find(special);
    if (found == spec.model.vocabulary.end()) continue;
    spec.added_tokens.push_back({.content = std::string(special), .id = found->second});
  }
  return spec;
}

}  // namespace

absl::StatusOr<TokenizerSpec> ParseTokenizerJson(const json& json) {
  if (!json.is_object() || !json.contains("model")) {
    return Wrong("is not a tokenizer.json of Hugging Face: it is no JSON object with a 'model'; ",
                 "save it with tokenizer.save_pretrained(DIR)");
  }
  // The model first: of a tokenizer of another kind it is the best name.
  TokenizerSpec spec;
  ASSIGN_OR_RETURN(spec.model, ParseModel(json));
  ASSIGN_OR_RETURN(spec.normalizer, ParseNormalizer(json));
  RETURN_IF_ERROR(CheckType(json, "pre_tokenizer", "BertPreTokenizer"));
  ASSIGN_OR_RETURN(spec.around, ParsePostProcessor(json));
  ASSIGN_OR_RETURN(spec.added_tokens, ParseAddedTokens(json, spec.model.vocabulary));
  ASSIGN_OR_RETURN(spec.max_length, ParseTruncation(json));
  ASSIGN_OR_RETURN(spec.padding, ParsePadding(json, spec.added_tokens, spec.model.vocabulary));
  return spec;
}

absl::StatusOr<TokenizerSpec> ReadTokenizerJson(const std::filesystem::path& file) {
  const absl::StatusOr<std::string> content = ReadFile(file);
  if (!content.ok()) return InFile(file, content.status());
  const json parsed = json::parse(*content, /*cb=*/nullptr, /*allow_exceptions=*/false);
  absl::StatusOr<TokenizerSpec> spec = ParseTokenizerJson(parsed);
  if (!spec.ok()) return InFile(file, spec.status());
  return spec;
}

absl::StatusOr<TokenizerSpec> ReadVocabulary(const std::filesystem::path& file,
                                             LetterCase letter_case) {
  const absl::StatusOr<std::string> content = ReadFile(file);
  if (!content.ok()) return InFile(file, content.status());
  absl::StatusOr<TokenizerSpec> spec = FromLines(*content, letter_case);
  if (!spec.ok()) {
    return InFile(file,
                  Wrong(Message(spec.status()), "; a vocab.txt of BERT has one token a line"));
  }
  return spec;
}

}  // namespace tiffin::worker
