#include "common/signature.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "nlohmann/json.hpp"

namespace tiffin {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::pair<std::string_view, ValueKind>, 4> kSingleKinds = {
    {{"image", ValueKind::kImage},
     {"text", ValueKind::kText},
     {"json", ValueKind::kJson},
     {"bytes", ValueKind::kBytes}}};

std::optional<ValueKind> ParseSingleKind(std::string_view name) {
  for (const auto& [kind_name, kind] : kSingleKinds) {
    if (kind_name == name) return kind;
  }
  return std::nullopt;
}

// True for the kinds of BYTES element about which nothing more is known.
bool IsPlainBytes(const ValueType& type) {
  return type.kind == ValueKind::kBytes || (type.kind == ValueKind::kTensor && type.shape.empty());
}

bool IsSingleBytes(const ValueType& type) {
  return type.dtype == DataType::kBytes && (type.kind != ValueKind::kTensor || type.shape.empty());
}

absl::Status BadType(std::string_view text, std::string_view what) {
  return absl::InvalidArgumentError(StrCat("type '", text, "': ", what));
}

// The dimensions between the brackets of `text`.
absl::StatusOr<Shape> ParseDimensions(std::string_view text, std::string_view dimensions) {
  Shape shape;
  if (Trim(dimensions).empty()) return shape;
  Shape known;
  for (const absl::string_view piece : absl::StrSplit(ToAbsl(dimensions), ',')) {
    int64_t dimension = 0;
    if (!absl::SimpleAtoi(piece, &dimension) || dimension < -1) {
      return BadType(text, StrCat("the dimension '", Trim(ToStd(piece)),
                                  "' is not a size; write a number, or -1 for any size"));
    }
    shape.push_back(dimension);
    if (dimension != -1) known.push_back(dimension);
  }
  if (!ElementCount(known).ok()) return BadType(text, "the shape is too large; make it smaller");
  return shape;
}

// What stands at `key`, or nullptr.
const Json* Find(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

absl::StatusOr<std::string> StringField(const Json& object, const char* key, std::string fallback) {
  const Json* field = Find(object, key);
  if (field == nullptr) return fallback;
  if (!field->is_string()) {
    return absl::InvalidArgumentError(
        StrCat("'", key, "' must be a string, not ", field->type_name()));
  }
  return field->get<std::string>();
}

absl::StatusOr<bool> BoolField(const Json& object, const char* key, bool fallback) {
  const Json* field = Find(object, key);
  if (field == nullptr) return fallback;
  if (!field->is_boolean()) {
    return absl::InvalidArgumentError(
        StrCat("'", key, "' must be true or false, not ", field->type_name()));
  }
  return field->get<bool>();
}

// Of a key that is there.
absl::StatusOr<int64_t> PositiveField(const Json& object, const char* key) {
  const Json& field = object.at(key);
  if (!field.is_number_integer() || field.get<int64_t>() < 1) {
    return absl::InvalidArgumentError(StrCat("'", key, "' must be a positive integer"));
  }
  return field.get<int64_t>();
}

Json SpecsToJson(const std::vector<TensorSpec>& specs) {
  Json json = Json::array();
  for (const TensorSpec& spec : specs) {
    json.push_back({{"name", spec.name}, {"type", ToString(spec.type)}});
  }
  return json;
}

absl::StatusOr<TensorSpec> SpecFromJson(const Json& json) {
  if (!json.is_object() || Find(json, "name") == nullptr || Find(json, "type") == nullptr) {
    return absl::InvalidArgumentError("must be an object with 'name' and 'type'");
  }
  ASSIGN_OR_RETURN(std::string name, StringField(json, "name", ""));
  ASSIGN_OR_RETURN(const std::string type_text, StringField(json, "type", ""));
  if (name.empty()) return absl::InvalidArgumentError("'name' must not be empty");
  ASSIGN_OR_RETURN(ValueType type, ParseValueType(type_text));
  return TensorSpec{std::move(name), std::move(type)};
}

absl::StatusOr<std::vector<TensorSpec>> SpecsFromJson(const Json& method, const char* key) {
  const Json* list = Find(method, key);
  if (list == nullptr || !list->is_array()) {
    return absl::InvalidArgumentError(StrCat("'", key, "' must be an array"));
  }
  std::vector<TensorSpec> specs;
  std::set<std::string> names;
  for (const Json& json : *list) {
    absl::StatusOr<TensorSpec> spec = SpecFromJson(json);
    if (!spec.ok()) {
      return absl::InvalidArgumentError(
          StrCat(key, "[", specs.size(), "]: ", Message(spec.status())));
    }
    if (!names.insert(spec->name).second) {
      return absl::InvalidArgumentError(
          StrCat("'", key, "' has the name '", spec->name, "' twice"));
    }
    specs.push_back(*std::move(spec));
  }
  return specs;
}

}  // namespace

ValueType SingleType(ValueKind kind) { return {kind, DataType::kBytes, {}}; }

ValueType TensorType(DataType dtype, Shape shape) {
  return {ValueKind::kTensor, dtype, std::move(shape)};
}

std::string ToString(const ValueType& type) {
  for (const auto& [name, kind] : kSingleKinds) {
    if (kind == type.kind) return std::string(name);
  }
  return StrCat(ToLower(DataTypeName(type.dtype)), ShapeToString(type.shape));
}

absl::StatusOr<ValueType> ParseValueType(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  if (const std::optional<ValueKind> kind = ParseSingleKind(trimmed)) return SingleType(*kind);

  const size_t open = trimmed.find('[');
  const std::string_view name = Trim(trimmed.substr(0, open));
  const std::optional<DataType> dtype = ParseDataType(name);
  if (!dtype.has_value()) {
    if (ParseSingleKind(name).has_value()) {
      return BadType(text, StrCat("'", name, "' takes no shape; write '", name, "'"));
    }
    return BadType(text,
                   "unknown; write image, text, json, bytes, or a tensor such as \"fp32[64]\" "
                   "(bool, uint8, uint16, uint32, uint64, int8, int16, int32, int64, fp16, bf16, "
                   "fp32, fp64, bytes)");
  }
  if (ToLower(name) != name) {
    return BadType(text, StrCat("write '", ToLower(name), "' in lower case"));
  }
  if (open == std::string_view::npos) {
    return BadType(text, StrCat("a tensor needs a shape; write \"", name, "[64]\", or \"", name,
                                "[]\" for a single number"));
  }
  if (trimmed.back() != ']') {
    return BadType(text, "the shape has no end; write ']' last");
  }
  ASSIGN_OR_RETURN(Shape shape,
                   ParseDimensions(text, trimmed.substr(open + 1, trimmed.size() - open - 2)));
  return TensorType(*dtype, std::move(shape));
}

bool IsAssignable(const ValueType& from, const ValueType& to) {
  if (IsSingleBytes(from) && IsSingleBytes(to)) {
    return from.kind == to.kind || IsPlainBytes(from) || IsPlainBytes(to);
  }
  if (from.kind != to.kind || from.dtype != to.dtype || from.shape.size() != to.shape.size()) {
    return false;
  }
  for (size_t i = 0; i < from.shape.size(); ++i) {
    if (from.shape[i] != to.shape[i] && from.shape[i] != -1 && to.shape[i] != -1) return false;
  }
  return true;
}

void to_json(Json& json, const MethodSignature& method) {
  json = {{"inputs", SpecsToJson(method.inputs)},
          {"outputs", SpecsToJson(method.outputs)},
          {"batchable", method.batchable},
          {"retry_safe", method.retry_safe}};
  if (method.max_batch_size > 0) json["max_batch_size"] = method.max_batch_size;
}

void to_json(Json& json, const WorkerDescription& description) {
  json = {{"backend", description.backend},
          {"model", description.model},
          {"model_version", description.model_version},
          {"model_digest", description.model_digest},
          {"device", description.device},
          {"methods", Json::object()}};
  for (const auto& [name, method] : description.methods) json["methods"][name] = method;
  if (!description.service.empty()) json["service"] = description.service;
  if (!description.runner.empty()) json["runner"] = description.runner;
}

namespace {

// A name of a service file, or none. What a worker elsewhere says goes into logs, and to clients.
absl::StatusOr<std::string> NameField(const Json& json, const char* key) {
  constexpr size_t kLongest = 256;
  ASSIGN_OR_RETURN(std::string name, StringField(json, key, ""));
  const bool is_name = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (is_name && name.size() <= kLongest) return name;
  return absl::InvalidArgumentError(StrCat("'", key, "' must be a name, as in a service file"));
}

}  // namespace

absl::StatusOr<MethodSignature> MethodSignatureFromJson(const Json& json) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(StrCat("a method must be an object, not ", json.type_name()));
  }
  MethodSignature method;
  ASSIGN_OR_RETURN(method.inputs, SpecsFromJson(json, "inputs"));
  ASSIGN_OR_RETURN(method.outputs, SpecsFromJson(json, "outputs"));
  ASSIGN_OR_RETURN(method.batchable, BoolField(json, "batchable", method.batchable));
  ASSIGN_OR_RETURN(method.retry_safe, BoolField(json, "retry_safe", method.retry_safe));
  if (Find(json, "max_batch_size") != nullptr) {
    ASSIGN_OR_RETURN(method.max_batch_size, PositiveField(json, "max_batch_size"));
  }
  return method;
}

absl::StatusOr<WorkerDescription> WorkerDescriptionFromJson(std::string_view text) {
  // Larger than any honest worker's. What is read may take a hundred times as much.
  constexpr size_t kMaxDescriptionBytes = size_t{1} << 20;
  if (text.size() > kMaxDescriptionBytes) {
    return absl::InvalidArgumentError(StrCat("a worker's description of ", text.size(),
                                             " bytes; it may have ", kMaxDescriptionBytes));
  }
  const Json json = Json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError("a worker's description must be a JSON object");
  }
  WorkerDescription description;
  ASSIGN_OR_RETURN(description.backend, StringField(json, "backend", ""));
  ASSIGN_OR_RETURN(description.model, StringField(json, "model", ""));
  ASSIGN_OR_RETURN(description.model_digest, StringField(json, "model_digest", ""));
  ASSIGN_OR_RETURN(description.device, StringField(json, "device", description.device));
  ASSIGN_OR_RETURN(description.service, NameField(json, "service"));
  ASSIGN_OR_RETURN(description.runner, NameField(json, "runner"));
  if (description.backend.empty()) {
    return absl::InvalidArgumentError("a worker's description must name its 'backend'");
  }
  if (Find(json, "model_version") != nullptr) {
    ASSIGN_OR_RETURN(description.model_version, PositiveField(json, "model_version"));
  }
  const Json* methods = Find(json, "methods");
  if (methods == nullptr || !methods->is_object()) {
    return absl::InvalidArgumentError("'methods' must be an object");
  }
  for (const auto& [name, method_json] : methods->items()) {
    absl::StatusOr<MethodSignature> method = MethodSignatureFromJson(method_json);
    if (!method.ok()) {
      return absl::InvalidArgumentError(StrCat("method '", name, "': ", Message(method.status())));
    }
    description.methods.emplace(name, *std::move(method));
  }
  return description;
}

}  // namespace tiffin
