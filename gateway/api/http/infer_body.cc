#include "gateway/api/http/infer_body.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

#include "absl/strings/numbers.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/tensor.h"
#include "gateway/api/http/json_text.h"
#include "gateway/api/json_tensor.h"
#include "gateway/api/kserve/response.h"
#include "gateway/api/message_io.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"

namespace tiffin::gateway::http {
namespace {

using nlohmann::json;

constexpr std::string_view kBinarySize = "binary_data_size";
constexpr std::string_view kBinaryOutput = "binary_data";
constexpr std::string_view kBinaryOutputs = "binary_data_output";

std::string Quoted(std::string_view name) {
  return StrCat("'", BoundedUtf8(name, kMaxQuoted), "'");
}

// `what` is an object that has no keys but these.
absl::Status CheckObject(const json& object, std::string_view what,
                         std::span<const std::string_view> keys) {
  if (!object.is_object()) {
    return absl::InvalidArgumentError(StrCat(what, " is not a JSON object"));
  }
  for (const auto& [key, value] : object.items()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    std::string list;
    for (const std::string_view known : keys) list += StrCat(list.empty() ? "" : ", ", known);
    return absl::InvalidArgumentError(
        StrCat(what, " has no key ", Quoted(key), "; it may have ", list));
  }
  return absl::OkStatus();
}

// The text at `key`; none if it is not there.
absl::StatusOr<std::optional<std::string>> TextAt(const json& object, std::string_view key,
                                                  std::string_view what) {
  const auto found = object.find(key);
  if (found == object.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  return absl::InvalidArgumentError(StrCat("'", key, "' of ", what, " is not a string"));
}

absl::StatusOr<std::string> NameOf(const json& object, std::string_view what) {
  ASSIGN_OR_RETURN(std::optional<std::string> name, TextAt(object, "name", what));
  if (name.has_value()) return *std::move(name);
  return absl::InvalidArgumentError(StrCat(what, " has no name"));
}

// The list at `key`; null if it is not there.
absl::StatusOr<const json*> ListAt(const json& object, std::string_view key,
                                   std::string_view what) {
  const auto found = object.find(key);
  if (found == object.end()) return nullptr;
  if (found->is_array()) return &*found;
  return absl::InvalidArgumentError(StrCat("'", key, "' of ", what, " is not a list"));
}

absl::Status SetParameter(const std::string& key, const json& value, std::string_view what,
                          kserve::Parameters& parameters) {
  inference::InferParameter& parameter = parameters[key];
  if (value.is_boolean()) {
    parameter.set_bool_param(value.get<bool>());
  } else if (value.is_number_unsigned() &&
             value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    parameter.set_uint64_param(value.get<uint64_t>());
  } else if (value.is_number_integer()) {
    parameter.set_int64_param(value.get<int64_t>());
  } else if (value.is_number()) {
    parameter.set_double_param(value.get<double>());
  } else if (value.is_string()) {
    parameter.set_string_param(value.get<std::string>());
  } else {
    return absl::InvalidArgumentError(StrCat("the parameter ", Quoted(key), " of ", what,
                                             " is not a string, a number or a boolean"));
  }
  return absl::OkStatus();
}

// Those of the message. The one that is HTTP's own is given back, if it is there.
absl::StatusOr<std::optional<json>> ReadParameters(const json& object, std::string_view what,
                                                   std::string_view own,
                                                   kserve::Parameters& parameters) {
  const auto found = object.find("parameters");
  if (found == object.end()) return std::nullopt;
  if (!found->is_object()) {
    return absl::InvalidArgumentError(StrCat("'parameters' of ", what, " is not a JSON object"));
  }
  std::optional<json> owned;
  for (const auto& [key, value] : found->items()) {
    if (key == own) {
      owned = value;
    } else if (key.starts_with("shared_memory_")) {
      return absl::InvalidArgumentError(
          StrCat(what, " has the parameter ", Quoted(key),
                 "; there is no shared memory over HTTP, send and take the contents themselves"));
    } else {
      RETURN_IF_ERROR(SetParameter(key, value, what, parameters));
    }
  }
  return owned;
}

absl::StatusOr<bool> TruthOf(const json& value, std::string_view key, std::string_view what) {
  if (value.is_boolean()) return value.get<bool>();
  return absl::InvalidArgumentError(
      StrCat("the parameter '", key, "' of ", what, " is not true or false"));
}

absl::Status ReadShape(const json& object, std::string_view what,
                       google::protobuf::RepeatedField<int64_t>& shape) {
  const auto found = object.find("shape");
  if (found == object.end() || !found->is_array()) {
    return absl::InvalidArgumentError(StrCat(what, " has no list 'shape'"));
  }
  for (const json& size : *found) {
    if (!size.is_number_integer() ||
        (size.is_number_unsigned() &&
         size.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))) {
      return absl::InvalidArgumentError(
          StrCat("the shape of ", what, " is not a list of 64-bit integers"));
    }
    shape.Add(size.get<int64_t>());
  }
  return absl::OkStatus();
}

}  // namespace

InferBody::InferBody(std::string body, std::string_view model, std::string_view version,
                     std::optional<std::string_view> json_length)
    : body_(std::move(body)), message_(parsed_.Begin()) {
  message_.set_model_name(std::string(model));
  message_.set_model_version(std::string(version));
  status_ = Split(json_length);
  if (status_.ok() && json_.size() > kMaxJsonBytes) {
    status_ = absl::InvalidArgumentError(StrCat("the request's JSON may have ", kMaxJsonBytes,
                                                " bytes, not ", json_.size(),
                                                "; send tensors as binary data"));
    http_status_ = 413;
  }
  if (status_.ok()) status_ = ReadJson(model);
}

bool InferBody::WantsBinary(std::string_view output) const {
  return binary_outputs_.contains(output) || (all_binary_ && !json_outputs_.contains(output));
}

absl::Status InferBody::Split(std::optional<std::string_view> json_length) {
  json_ = body_;
  if (!json_length.has_value()) return absl::OkStatus();
  uint64_t length = 0;
  if (!absl::SimpleAtoi(ToAbsl(*json_length), &length) || length > body_.size()) {
    return absl::InvalidArgumentError(
        StrCat("Inference-Header-Content-Length is ", Quoted(*json_length),
               ", which is not how many of the body's ", body_.size(), " bytes are JSON"));
  }
  has_binary_ = true;
  json_ = std::string_view(body_).substr(0, length);
  binary_ = std::string_view(body_).substr(length);
  return absl::OkStatus();
}

absl::Status InferBody::ReadJson(std::string_view model) {
  constexpr std::string_view kWhat = "the request";
  constexpr std::string_view kKeys[] = {"id",         "inputs",     "outputs",
                                        "parameters", "model_name", "model_version"};
  ASSIGN_OR_RETURN(const json request,
                   ParseJson(json_, "the request's JSON", UniqueKeys::kEverywhere));
  RETURN_IF_ERROR(CheckObject(request, kWhat, kKeys));
  ASSIGN_OR_RETURN(const std::optional<std::string> id, TextAt(request, "id", kWhat));
  message_.set_id(id.value_or(""));
  // Some clients repeat what the path says.
  ASSIGN_OR_RETURN(const std::optional<std::string> name, TextAt(request, "model_name", kWhat));
  ASSIGN_OR_RETURN(const std::optional<std::string> version,
                   TextAt(request, "model_version", kWhat));
  if (name.value_or(std::string(model)) != model) {
    return absl::InvalidArgumentError(
        StrCat("the request names the model ", Quoted(*name), ", but its path ", Quoted(model)));
  }
  if (version.has_value()) {
    if (!message_.model_version().empty() && *version != message_.model_version()) {
      return absl::InvalidArgumentError(StrCat("the request names the version ", Quoted(*version),
                                               ", but its path ",
                                               Quoted(message_.model_version())));
    }
    message_.set_model_version(*version);
  }
  ASSIGN_OR_RETURN(const std::optional<json> all_binary,
                   ReadParameters(request, kWhat, kBinaryOutputs, *message_.mutable_parameters()));
  if (all_binary.has_value()) {
    ASSIGN_OR_RETURN(all_binary_, TruthOf(*all_binary, kBinaryOutputs, kWhat));
  }
  ASSIGN_OR_RETURN(const json* const inputs, ListAt(request, "inputs", kWhat));
  if (inputs != nullptr) {
    for (const json& input : *inputs) RETURN_IF_ERROR(ReadInput(input));
  }
  if (!binary_.empty()) {
    return absl::InvalidArgumentError(StrCat("the body has ", binary_.size(),
                                             " bytes more than its JSON and the binary_data_size "
                                             "of its inputs say"));
  }
  ASSIGN_OR_RETURN(const json* const outputs, ListAt(request, "outputs", kWhat));
  if (outputs != nullptr) {
    for (const json& output : *outputs) RETURN_IF_ERROR(ReadOutput(output));
  }
  return absl::OkStatus();
}

absl::Status InferBody::ReadInput(const json& json) {
  constexpr std::string_view kKeys[] = {"name", "shape", "datatype", "parameters", "data"};
  RETURN_IF_ERROR(CheckObject(json, "an input", kKeys));
  ASSIGN_OR_RETURN(const std::string name, NameOf(json, "an input"));
  const std::string what = StrCat("input ", Quoted(name));
  auto& input = *message_.add_inputs();
  input.set_name(name);
  ASSIGN_OR_RETURN(const std::optional<std::string> datatype, TextAt(json, "datatype", what));
  input.set_datatype(datatype.value_or(""));
  RETURN_IF_ERROR(ReadShape(json, what, *input.mutable_shape()));
  const absl::Status read = ReadContents(json, input);
  return read.ok() ? read : Annotate(read, what);
}

absl::Status InferBody::ReadContents(const json& json,
                                     inference::ModelInferRequest::InferInputTensor& input) {
  ASSIGN_OR_RETURN(const auto size,
                   ReadParameters(json, "it", kBinarySize, *input.mutable_parameters()));
  const auto data = json.find("data");
  if (size.has_value() == (data != json.end())) {
    return absl::InvalidArgumentError(
        StrCat("it has ", size.has_value() ? "both 'data' and" : "neither 'data' nor",
               " the parameter 'binary_data_size'; it needs one of the two"));
  }
  if (size.has_value()) {
    if (!has_binary_) {
      return absl::InvalidArgumentError(
          "it has binary data, but the field Inference-Header-Content-Length, which tells where "
          "that begins, is missing");
    }
    if (!size->is_number_unsigned() || size->get<uint64_t>() > binary_.size()) {
      return absl::InvalidArgumentError(StrCat("its binary_data_size is ",
                                               BoundedUtf8(size->dump(), kMaxQuoted), ", but ",
                                               binary_.size(), " bytes of the body are left"));
    }
    parsed_.AddRawInput(binary_.substr(0, size->get<size_t>()));
    binary_.remove_prefix(size->get<size_t>());
    return absl::OkStatus();
  }
  const std::optional<DataType> dtype = ParseDataType(input.datatype());
  // One that there is not is said where the model's is known.
  made_.emplace_back();
  if (dtype.has_value()) {
    ASSIGN_OR_RETURN(made_.back(), ElementsFromJson(*data, *dtype, Dimensions(input.shape())));
  }
  parsed_.AddRawInput(made_.back());
  return absl::OkStatus();
}

absl::Status InferBody::ReadOutput(const json& json) {
  constexpr std::string_view kKeys[] = {"name", "parameters"};
  RETURN_IF_ERROR(CheckObject(json, "an output", kKeys));
  ASSIGN_OR_RETURN(const std::string name, NameOf(json, "an output"));
  const std::string what = StrCat("output ", Quoted(name));
  auto& output = *message_.add_outputs();
  output.set_name(name);
  ASSIGN_OR_RETURN(const auto binary,
                   ReadParameters(json, what, kBinaryOutput, *output.mutable_parameters()));
  if (!binary.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool is_binary, TruthOf(*binary, kBinaryOutput, what));
  (is_binary ? binary_outputs_ : json_outputs_).insert(name);
  return absl::OkStatus();
}

}  // namespace tiffin::gateway::http
