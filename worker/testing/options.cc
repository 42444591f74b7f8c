#include "worker/testing/options.h"

#include <array>
#include <limits>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "common/keys/options.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kDefaultBound{10'000};
constexpr std::string_view kWantedDtype = "an element type, such as fp32";
constexpr std::string_view kWantedCode =
    "a gRPC status code other than OK by name, such as UNAVAILABLE";

struct BehaviorOptions {
  std::string_view name;
  Behavior behavior;
  // The options it has beyond those of all behaviors.
  std::array<std::string_view, 8> known;
};

constexpr std::array<BehaviorOptions, 8> kBehaviors = {{
    {"identity", Behavior::kIdentity, {"dtype", "shape"}},
    {"add_sub", Behavior::kAddSub, {}},
    {"delay", Behavior::kDelay, {"dtype", "shape", "ms", "until", "batchable"}},
    {"fail",
     Behavior::kFail,
     {"dtype", "shape", "ms", "until", "code", "times", "content", "batchable"}},
    {"crash", Behavior::kCrash, {"dtype", "shape", "ms", "until", "content", "batchable"}},
    {"produce", Behavior::kProduce, {"dtype", "shape", "bytes"}},
    {"consume", Behavior::kConsume, {"shape"}},
    {"barrier", Behavior::kBarrier, {"dtype", "shape", "ms", "path", "parties"}},
}};
constexpr auto kBehaviorWords = [] {
  std::array<std::string_view, kBehaviors.size()> words;
  for (size_t i = 0; i < words.size(); ++i) words[i] = kBehaviors[i].name;
  return words;
}();
constexpr std::array<std::string_view, 5> kCommonOptions = {"behavior", "journal", "load_until",
                                                            "retry_safe", "methods"};

constexpr keys::Integer kCount = {.min = 0, .max = std::numeric_limits<int32_t>::max()};
constexpr keys::Text kFile = {.wanted = "the name of a file"};

constexpr std::array<keys::Key, 16> kKeys = {{
    {.name = "behavior",
     .form = keys::Choice{.words = kBehaviorWords},
     .meaning = "What a step does (this backend is for tests and benchmarks; it is not installed)",
     .required = "behavior: identity"},
    {.name = "dtype",
     .form = keys::Text{.wanted = kWantedDtype},
     .meaning = "Of the input and the output",
     .otherwise = "fp32"},
    {.name = "shape",
     .form = keys::List{.noun = "sizes, -1 for any",
                        .item = keys::Integer{.min = -1, .max = kCount.max}},
     .meaning = "Of the input and the output, without rows",
     .otherwise = "[-1]"},
    {.name = "ms",
     .form = kCount,
     .meaning = "Milliseconds that it takes, or waits at most",
     .otherwise = "0; where it waits, 10 s"},
    {.name = "until", .form = kFile, .meaning = "Waits until there is this file"},
    {.name = "code",
     .form = keys::Text{.wanted = kWantedCode},
     .meaning = "What it fails with",
     .otherwise = "INTERNAL"},
    {.name = "times",
     .form = kCount,
     .meaning = "Only the first executions fail, so many",
     .otherwise = "all of them"},
    {.name = "content",
     .form = keys::NumberOrText{},
     .meaning = "Only executions with such an element fail, or crash",
     .otherwise = "all of them"},
    {.name = "bytes",
     .form = keys::Integer{.min = 0, .max = kCount.max, .fallback = kDefaultBytes},
     .meaning = "The size of the output, a multiple of 4"},
    {.name = "path",
     .form = keys::Text{.wanted = "the name of a folder"},
     .meaning = "Where the parties meet"},
    {.name = "parties",
     .form = keys::Integer{.min = 1, .max = kCount.max, .fallback = kDefaultParties},
     .meaning = "How many meet"},
    {.name = "batchable",
     .form = keys::Boolean{.fallback = false},
     .meaning = "Whether it takes several rows"},
    {.name = "journal", .form = kFile, .meaning = "Gets a line for each execution"},
    {.name = "load_until", .form = kFile, .meaning = "Loads until there is this file"},
    {.name = "retry_safe",
     .form = keys::Boolean{.fallback = true},
     .meaning = "What the signature says"},
    {.name = "methods",
     .form = keys::List{.noun = "names", .item = keys::Text{.wanted = "a name"}, .min = 1},
     .meaning = "The names of its methods, all alike",
     .otherwise = "[run]"},
}};

std::string Listed(const std::set<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) text += StrCat(text.empty() ? "" : ", ", name);
  return text;
}

absl::Status Wrong(std::string_view option, const json& value, std::string_view wanted) {
  return keys::WrongOption("testing", option, value, wanted);
}

absl::StatusOr<BehaviorOptions> FindBehavior(const json& options) {
  const auto it = options.find("behavior");
  std::set<std::string_view> names;
  for (const BehaviorOptions& behavior : kBehaviors) {
    if (it != options.end() && *it == std::string(behavior.name)) return behavior;
    names.insert(behavior.name);
  }
  return Wrong("behavior", it == options.end() ? json() : *it, StrCat("one of ", Listed(names)));
}

absl::Status CheckKnown(const BehaviorOptions& behavior, const json& options) {
  std::set<std::string_view> known(behavior.known.begin(), behavior.known.end());
  known.erase("");
  known.insert(kCommonOptions.begin(), kCommonOptions.end());
  for (const auto& [option, value] : options.items()) {
    if (known.contains(option)) continue;
    return absl::InvalidArgumentError(StrCat("testing backend: unknown option '", option,
                                             "' of the behavior ", behavior.name,
                                             "; the options are ", Listed(known)));
  }
  return absl::OkStatus();
}

absl::StatusOr<DataType> ParseDtype(const json& value) {
  const std::optional<DataType> dtype = ParseDataType(value.get_ref<const std::string&>());
  return dtype.has_value() ? absl::StatusOr<DataType>(*dtype) : Wrong("dtype", value, kWantedDtype);
}

absl::StatusOr<absl::StatusCode> ParseCode(const json& value) {
  for (int number = 1; number <= 16; ++number) {
    const auto code = static_cast<absl::StatusCode>(number);
    if (value == absl::StatusCodeToString(code)) return code;
  }
  return Wrong("code", value, kWantedCode);
}

// The value of a text, or what holds without it.
std::string TextOr(const keys::Options& options, std::string_view name) {
  const json* text = options.Find(name);
  return text == nullptr ? std::string() : text->get<std::string>();
}

}  // namespace

std::span<const keys::Key> TestingKeys() { return kKeys; }

absl::StatusOr<TestingOptions> ParseTestingOptions(const json& options) {
  if (!options.is_object() && !options.is_null()) {
    return absl::InvalidArgumentError("testing backend: the options must be a mapping");
  }
  ASSIGN_OR_RETURN(const BehaviorOptions behavior, FindBehavior(options));
  RETURN_IF_ERROR(CheckKnown(behavior, options));
  ASSIGN_OR_RETURN(const keys::Options read, keys::Options::Read("testing", kKeys, options));
  TestingOptions parsed;
  parsed.behavior = behavior.behavior;
  parsed.until = TextOr(read, "until");
  parsed.path = TextOr(read, "path");
  parsed.journal = TextOr(read, "journal");
  parsed.load_until = TextOr(read, "load_until");
  parsed.bytes = read.Integer("bytes");
  parsed.parties = read.Integer("parties");
  parsed.batchable = read.Boolean("batchable");
  parsed.retry_safe = read.Boolean("retry_safe");
  if (const json* dtype = read.Find("dtype")) {
    ASSIGN_OR_RETURN(parsed.dtype, ParseDtype(*dtype));
  }
  if (const json* shape = read.Find("shape")) parsed.shape.assign(shape->begin(), shape->end());
  if (const json* code = read.Find("code")) {
    ASSIGN_OR_RETURN(parsed.code, ParseCode(*code));
  }
  if (read.Find("times") != nullptr) parsed.times = read.Integer("times");
  if (const json* content = read.Find("content")) parsed.content = *content;
  if (const json* methods = read.Find("methods")) {
    parsed.methods = methods->get<std::vector<std::string>>();
  }
  const bool waits = parsed.behavior == Behavior::kBarrier || !parsed.until.empty();
  if (waits) parsed.ms = kDefaultBound;
  if (read.Find("ms") != nullptr) parsed.ms = std::chrono::milliseconds(read.Integer("ms"));
  if (parsed.bytes % 4 != 0) return Wrong("bytes", parsed.bytes, "a multiple of 4");
  if (parsed.behavior == Behavior::kBarrier && parsed.path.empty()) {
    return absl::InvalidArgumentError(
        "testing backend: the behavior barrier needs the option 'path', a folder");
  }
  return parsed;
}

}  // namespace tiffin::worker
