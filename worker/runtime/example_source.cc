#include "worker/runtime/example_source.h"

#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/runtime/example_image.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;

absl::StatusOr<std::string> Contents(const std::string& value) {
  if (!value.starts_with('@')) return value;
  std::ifstream in(value.substr(1), std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad() || !in.is_open()) {
    return absl::InvalidArgumentError(
        StrCat("--example: '", value.substr(1), "' can't be read; check the path"));
  }
  return text;
}

absl::StatusOr<json> GivenRow(const TensorSpec& spec, const std::string& value) {
  ASSIGN_OR_RETURN(std::string text, Contents(value));
  if (spec.type.dtype == DataType::kBytes) return json(std::move(text));
  json row = json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (row.is_array() || row.is_number() || row.is_boolean()) return row;
  return absl::InvalidArgumentError(StrCat("--example: '", spec.name, "' is ", ToString(spec.type),
                                           "; give its numbers as JSON, such as [0, 1]"));
}

absl::Status NoExample(const TensorSpec& spec) {
  return absl::InvalidArgumentError(StrCat(
      "there is no example of its input '", spec.name, "' (", ToString(spec.type),
      "); give one with --example ", spec.name, "=VALUE or ", spec.name, "=@FILE (as RUNNER.",
      spec.name, "=... to tiffin tune), or with the model: tiffin models import --example"));
}

}  // namespace

absl::StatusOr<GivenExamples> ParseGivenExamples(const std::vector<std::string>& texts) {
  GivenExamples given;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return absl::InvalidArgumentError(
          StrCat("--example '", text, "' must be INPUT=VALUE, or INPUT=@FILE"));
    }
    const std::string input = text.substr(0, equals);
    if (!given.emplace(input, text.substr(equals + 1)).second) {
      return absl::InvalidArgumentError(
          StrCat("--example: '", input, "' is given twice; give it once"));
    }
  }
  return given;
}

absl::StatusOr<MethodExample> FindExample(std::string_view name, const MethodSignature& method,
                                          const json& kept, const GivenExamples& given) {
  MethodExample example;
  std::set<std::string> sources;
  const auto of_method = kept.find(std::string(name));
  for (const TensorSpec& spec : method.inputs) {
    if (const auto found = given.find(spec.name); found != given.end()) {
      ASSIGN_OR_RETURN(example.row[spec.name], GivenRow(spec, found->second));
      sources.insert("--example");
    } else if (of_method != kept.end() && of_method->contains(spec.name)) {
      example.row[spec.name] = of_method->at(spec.name);
      sources.insert("the model's example");
    } else if (spec.type.kind == ValueKind::kImage) {
      example.row[spec.name] = std::string(ExampleImage());
      sources.insert("a picture of one line of text");
    } else if (spec.type.dtype == DataType::kBytes) {
      return NoExample(spec);
    } else {
      sources.insert("zeros");
    }
  }
  example.source = absl::StrJoin(sources, " and ");
  return example;
}

}  // namespace tiffin::worker
