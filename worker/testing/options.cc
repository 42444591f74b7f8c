#include "worker/testing/options.h"

#include <array>
#include <limits>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "common/signature.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kDefaultBound{10'000};

struct BehaviorOptions {
  std::string_view name;
  Behavior behavior;
  // The options it has beyond those of all behaviors.
  std::set<std::string_view> known;
};

const std::vector<BehaviorOptions>& Behaviors() {
  static const auto* behaviors = new std::vector<BehaviorOptions>{
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
  };
  return *behaviors;
}

const std::set<std::string_view>& CommonOptions() {
  static const auto* options =
      new std::set<std::string_view>{"behavior", "journal", "retry_safe", "methods"};
  return *options;
}

std::string Listed(const std::set<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) text += StrCat(text.empty() ? "" : ", ", name);
  return text;
}

absl::Status Wrong(std::string_view option, const json& value, std::string_view wanted) {
  return absl::InvalidArgumentError(
      StrCat("testing backend: option '", option, "' is ",
             value.dump(-1, ' ', false, json::error_handler_t::replace), "; it must be ", wanted));
}

absl::StatusOr<std::string> Text(std::string_view option, const json& value,
                                 std::string_view wanted) {
  if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
    return Wrong(option, value, wanted);
  }
  return value.get<std::string>();
}

absl::StatusOr<int64_t> Count(std::string_view option, const json& value, int64_t least) {
  if (!value.is_number_integer() || value < least || value > std::numeric_limits<int32_t>::max()) {
    return Wrong(option, value, StrCat("a whole number from ", least, " on"));
  }
  return value.get<int64_t>();
}

absl::StatusOr<BehaviorOptions> FindBehavior(const json& options) {
  const auto it = options.find("behavior");
  std::set<std::string_view> names;
  for (const BehaviorOptions& behavior : Behaviors()) {
    if (it != options.end() && *it == std::string(behavior.name)) return behavior;
    names.insert(behavior.name);
  }
  return Wrong("behavior", it == options.end() ? json() : *it, StrCat("one of ", Listed(names)));
}

absl::StatusOr<Shape> ParseShape(const json& value) {
  constexpr std::string_view kWanted = "a list of sizes, -1 for any";
  if (!value.is_array()) return Wrong("shape", value, kWanted);
  Shape shape;
  for (const json& size : value) {
    if (!size.is_number_integer() || size < -1 || size > std::numeric_limits<int32_t>::max()) {
      return Wrong("shape", value, kWanted);
    }
    shape.push_back(size.get<int64_t>());
  }
  return shape;
}

absl::StatusOr<absl::StatusCode> ParseCode(const json& value) {
  for (int number = 1; number <= 16; ++number) {
    const auto code = static_cast<absl::StatusCode>(number);
    if (value == absl::StatusCodeToString(code)) return code;
  }
  return Wrong("code", value, "a gRPC status code other than OK by name, such as UNAVAILABLE");
}

absl::StatusOr<std::vector<std::string>> ParseMethods(const json& value) {
  constexpr std::string_view kWanted = "a list of names";
  if (!value.is_array() || value.empty()) return Wrong("methods", value, kWanted);
  std::vector<std::string> methods;
  for (const json& name : value) {
    ASSIGN_OR_RETURN(std::string method, Text("methods", name, kWanted));
    methods.push_back(std::move(method));
  }
  return methods;
}

absl::Status SetOption(const std::string& option, const json& value, TestingOptions& parsed) {
  if (option == "dtype") {
    ASSIGN_OR_RETURN(const std::string name, Text(option, value, "an element type, such as fp32"));
    const std::optional<DataType> dtype = ParseDataType(name);
    if (!dtype.has_value()) return Wrong(option, value, "an element type, such as fp32");
    parsed.dtype = *dtype;
  } else if (option == "shape") {
    ASSIGN_OR_RETURN(parsed.shape, ParseShape(value));
  } else if (option == "ms") {
    ASSIGN_OR_RETURN(const int64_t ms, Count(option, value, 0));
    parsed.ms = std::chrono::milliseconds(ms);
  } else if (option == "until") {
    ASSIGN_OR_RETURN(parsed.until, Text(option, value, "the name of a file"));
  } else if (option == "code") {
    ASSIGN_OR_RETURN(parsed.code, ParseCode(value));
  } else if (option == "times") {
    ASSIGN_OR_RETURN(parsed.times, Count(option, value, 0));
  } else if (option == "content") {
    if (!value.is_number() && !value.is_string()) {
      return Wrong(option, value, "a number or a text");
    }
    parsed.content = value;
  } else if (option == "bytes") {
    ASSIGN_OR_RETURN(parsed.bytes, Count(option, value, 0));
    if (parsed.bytes % 4 != 0) return Wrong(option, value, "a multiple of 4");
  } else if (option == "path") {
    ASSIGN_OR_RETURN(parsed.path, Text(option, value, "the name of a folder"));
  } else if (option == "parties") {
    ASSIGN_OR_RETURN(parsed.parties, Count(option, value, 1));
  } else if (option == "journal") {
    ASSIGN_OR_RETURN(parsed.journal, Text(option, value, "the name of a file"));
  } else if (option == "batchable") {
    if (!value.is_boolean()) return Wrong(option, value, "true or false");
    parsed.batchable = value.get<bool>();
  } else if (option == "retry_safe") {
    if (!value.is_boolean()) return Wrong(option, value, "true or false");
    parsed.retry_safe = value.get<bool>();
  } else if (option == "methods") {
    ASSIGN_OR_RETURN(parsed.methods, ParseMethods(value));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TestingOptions> ParseTestingOptions(const json& options) {
  if (!options.is_object() && !options.is_null()) {
    return absl::InvalidArgumentError("testing backend: the options must be a mapping");
  }
  ASSIGN_OR_RETURN(const BehaviorOptions behavior, FindBehavior(options));
  TestingOptions parsed;
  parsed.behavior = behavior.behavior;
  for (const auto& [option, value] : options.items()) {
    if (!behavior.known.contains(option) && !CommonOptions().contains(option)) {
      std::set<std::string_view> known = behavior.known;
      known.insert(CommonOptions().begin(), CommonOptions().end());
      return absl::InvalidArgumentError(StrCat("testing backend: unknown option '", option,
                                               "' of the behavior ", behavior.name,
                                               "; the options are ", Listed(known)));
    }
    RETURN_IF_ERROR(SetOption(option, value, parsed));
  }
  const bool waits = parsed.behavior == Behavior::kBarrier || !parsed.until.empty();
  if (waits && !options.contains("ms")) parsed.ms = kDefaultBound;
  if (parsed.behavior == Behavior::kBarrier && parsed.path.empty()) {
    return absl::InvalidArgumentError(
        "testing backend: the behavior barrier needs the option 'path', a folder");
  }
  return parsed;
}

}  // namespace tiffin::worker
