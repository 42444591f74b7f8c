#include "worker/ocr/options.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;

constexpr size_t kMostLanguages = 8;
constexpr absl::Duration kLongestTime = absl::Hours(24);

absl::Status Wrong(std::string_view option, const json& value, std::string_view wanted) {
  return absl::InvalidArgumentError(
      StrCat("ocr backend: option '", option, "' is ",
             value.dump(-1, ' ', false, json::error_handler_t::replace), "; it must be ", wanted));
}

template <typename T>
absl::StatusOr<T> ParseName(std::string_view option, const json& value,
                            const std::map<std::string, T>& names, std::string_view wanted) {
  if (value.is_string()) {
    if (const auto it = names.find(value.get_ref<const std::string&>()); it != names.end()) {
      return it->second;
    }
  }
  return Wrong(option, value, wanted);
}

// YAML reads `on` and `off` as words in its version 1.2, and as booleans before it.
absl::StatusOr<Preparation> ParsePreparation(std::string_view option, const json& value) {
  const bool may_be_forced = option == "upscale" || option == "background";
  if (value == json(true) && may_be_forced) return Preparation::kOn;
  if (value == json(false)) return Preparation::kOff;
  std::map<std::string, Preparation> names = {{"auto", Preparation::kAuto},
                                              {"off", Preparation::kOff}};
  if (may_be_forced) names["on"] = Preparation::kOn;
  return ParseName(option, value, names, may_be_forced ? "auto, on or off" : "auto or off");
}

bool IsLanguageName(const json& value) {
  if (!value.is_string()) return false;
  const auto& name = value.get_ref<const std::string&>();
  return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

absl::StatusOr<std::vector<std::string>> ParseLanguages(const json& value) {
  constexpr std::string_view kWanted =
      "a list of 1 to 8 different names of Tesseract's languages, such as [eng, deu]";
  if (!value.is_array() || value.empty() || value.size() > kMostLanguages) {
    return Wrong("languages", value, kWanted);
  }
  std::vector<std::string> languages;
  for (const json& name : value) {
    if (!IsLanguageName(name)) return Wrong("languages", value, kWanted);
    languages.push_back(name.get<std::string>());
    if (std::count(languages.begin(), languages.end(), languages.back()) > 1) {
      return Wrong("languages", value, kWanted);
    }
  }
  return languages;
}

std::optional<absl::Duration> ReadDuration(const json& value) {
  absl::Duration duration;
  if (!value.is_string() || !absl::ParseDuration(value.get_ref<const std::string&>(), &duration) ||
      duration <= absl::ZeroDuration() || duration > kLongestTime) {
    return std::nullopt;
  }
  return duration;
}

absl::Status SetOption(const std::string& option, const json& value, OcrOptions& options) {
  if (option == "languages") {
    ASSIGN_OR_RETURN(options.languages, ParseLanguages(value));
  } else if (option == "page_mode") {
    ASSIGN_OR_RETURN(
        options.page_mode,
        ParseName<PageMode>(option, value,
                            {{"auto", PageMode::kAuto},
                             {"single_block", PageMode::kSingleBlock},
                             {"single_column", PageMode::kSingleColumn},
                             {"single_line", PageMode::kSingleLine},
                             {"single_word", PageMode::kSingleWord},
                             {"sparse_text", PageMode::kSparseText}},
                            "auto, single_block, single_column, single_line, single_word or "
                            "sparse_text"));
  } else if (option == "upscale") {
    ASSIGN_OR_RETURN(options.upscale, ParsePreparation(option, value));
  } else if (option == "background") {
    ASSIGN_OR_RETURN(options.background, ParsePreparation(option, value));
  } else if (option == "despeckle") {
    ASSIGN_OR_RETURN(options.despeckle, ParsePreparation(option, value));
  } else if (option == "deskew") {
    ASSIGN_OR_RETURN(options.deskew, ParsePreparation(option, value));
  } else if (option == "max_pixels") {
    if (!value.is_number_integer() || value < 1 || value > kMostPixels) {
      return Wrong(option, value, "a whole number from 1 to 1073741824");
    }
    options.max_pixels = value.get<int64_t>();
  } else if (option == "time_limit") {
    const std::optional<absl::Duration> limit = ReadDuration(value);
    if (!limit.has_value()) {
      return Wrong(option, value, "a number above 0 with its unit, such as 10s, at most 24h");
    }
    options.time_limit = *limit;
  } else if (option == "min_confidence") {
    if (!value.is_number() || !(value >= 0.0 && value <= 1.0)) {
      return Wrong(option, value, "a number from 0 to 1");
    }
    options.min_confidence = value.get<double>();
  } else {
    return absl::InvalidArgumentError(
        StrCat("ocr backend: unknown option '", option,
               "'; the options are languages, page_mode, upscale, background, despeckle, deskew, "
               "max_pixels, time_limit and min_confidence"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OcrOptions> ParseOcrOptions(const json& options) {
  OcrOptions parsed;
  if (options.is_null()) return parsed;
  if (!options.is_object()) {
    return absl::InvalidArgumentError("ocr backend: the options must be a mapping");
  }
  for (const auto& [option, value] : options.items()) {
    RETURN_IF_ERROR(SetOption(option, value, parsed));
  }
  return parsed;
}

}  // namespace tiffin::worker
