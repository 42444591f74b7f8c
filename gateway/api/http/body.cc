#include "gateway/api/http/body.h"

#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/http/json_text.h"
#include "gateway/api/http/multipart.h"
#include "gateway/api/json_tensor.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway::http {
namespace {

// What curl sends where its user says nothing.
constexpr std::string_view kCurlsOwn = "application/x-www-form-urlencoded";

absl::StatusOr<size_t> IndexOf(const Interface& target, std::string_view name) {
  const std::optional<size_t> index = target.FindInput(name);
  if (index.has_value()) return *index;
  return absl::InvalidArgumentError(StrCat("'", target.name, "' has no input '",
                                           BoundedUtf8(name, kMaxQuoted), "'; it has ",
                                           BoundedUtf8(NameList(target.inputs), kMaxQuoted)));
}

// One row of an input that is a single.
absl::Status AppendSingle(const nlohmann::json& json, ValueKind kind, std::string& framed) {
  if (kind == ValueKind::kJson) {
    AppendBytesElement(json.dump(), framed);
    return absl::OkStatus();
  }
  if (!json.is_string()) {
    return absl::InvalidArgumentError(kind == ValueKind::kText ? "send text as a string"
                                                               : "send bytes as base64");
  }
  const auto& text = json.get_ref<const std::string&>();
  if (kind == ValueKind::kText) {
    AppendBytesElement(text, framed);
    return absl::OkStatus();
  }
  std::string content;
  if (!absl::Base64Unescape(ToAbsl(text), &content)) {
    return absl::InvalidArgumentError("this is not base64");
  }
  AppendBytesElement(content, framed);
  return absl::OkStatus();
}

absl::StatusOr<BodyInput> FromJson(const nlohmann::json& json, const Interface& target,
                                   size_t index) {
  const ValueType& type = target.inputs[index].type;
  BodyInput input;
  input.index = index;
  if (type.kind == ValueKind::kTensor) {
    ASSIGN_OR_RETURN(
        RawTensor tensor,
        TensorFromJson(json, type.dtype, ClientShape(type, target.has_rows), BytesForm::kBase64));
    input.shape = std::move(tensor.shape);
    input.bytes = std::move(tensor.bytes);
    return input;
  }
  if (!target.has_rows) {
    RETURN_IF_ERROR(AppendSingle(json, type.kind, input.bytes));
    input.shape = {1};
    return input;
  }
  if (!json.is_array()) return absl::InvalidArgumentError("send a list of its rows");
  for (const nlohmann::json& row : json) {
    RETURN_IF_ERROR(AppendSingle(row, type.kind, input.bytes));
  }
  input.shape = {static_cast<int64_t>(json.size())};
  return input;
}

absl::StatusOr<BodyInput> NamedFromJson(const nlohmann::json& json, const Interface& target,
                                        size_t index) {
  absl::StatusOr<BodyInput> input = FromJson(json, target, index);
  if (input.ok()) return input;
  return Annotate(input.status(), StrCat("input '", target.inputs[index].name, "'"));
}

absl::StatusOr<std::vector<BodyInput>> DecodeJson(std::string_view body, const Interface& target) {
  ASSIGN_OR_RETURN(const nlohmann::json json, ParseJson(body, "the body", UniqueKeys::kAtTop));
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        "the body is not a JSON object; send {\"input\": value, ...}");
  }
  std::vector<BodyInput> inputs;
  for (const auto& [name, value] : json.items()) {
    ASSIGN_OR_RETURN(const size_t index, IndexOf(target, name));
    ASSIGN_OR_RETURN(BodyInput input, NamedFromJson(value, target, index));
    inputs.push_back(std::move(input));
  }
  return inputs;
}

absl::StatusOr<std::vector<BodyInput>> DecodeMultipart(std::string_view body,
                                                       std::string_view boundary,
                                                       const Interface& target) {
  ASSIGN_OR_RETURN(const std::vector<FormPart> parts, ParseMultipart(body, boundary));
  std::vector<std::optional<BodyInput>> found(target.inputs.size());
  for (const FormPart& part : parts) {
    ASSIGN_OR_RETURN(const size_t index, IndexOf(target, part.name));
    const TensorSpec& spec = target.inputs[index];
    if (found[index].has_value() && (!target.has_rows || spec.type.kind == ValueKind::kTensor)) {
      return absl::InvalidArgumentError(
          StrCat("input '", spec.name, "' is given twice; send it once"));
    }
    if (spec.type.kind == ValueKind::kTensor) {
      if (part.content.size() > kMaxJsonBytes) {
        return absl::InvalidArgumentError(
            StrCat("input '", spec.name, "' has more than ", kMaxJsonBytes, " bytes of JSON"));
      }
      ASSIGN_OR_RETURN(
          const nlohmann::json json,
          ParseJson(part.content, StrCat("input '", spec.name, "'"), UniqueKeys::kAtTop));
      ASSIGN_OR_RETURN(found[index], NamedFromJson(json, target, index));
      continue;
    }
    if (!found[index].has_value()) {
      found[index].emplace();
      found[index]->index = index;
      found[index]->shape = {0};
      found[index]->bytes.reserve(part.content.size() + kBytesElementHeader);
    }
    ++found[index]->shape.front();
    AppendBytesElement(part.content, found[index]->bytes);
  }
  std::vector<BodyInput> inputs;
  for (std::optional<BodyInput>& input : found) {
    if (input.has_value()) inputs.push_back(*std::move(input));
  }
  return inputs;
}

// What kinds of content can be the single input of an API.
bool CanBe(const std::string& content_type, ValueKind kind) {
  const bool is_binary =
      content_type.starts_with("image/") || content_type == "application/octet-stream";
  if (kind == ValueKind::kImage || kind == ValueKind::kBytes) return is_binary;
  return kind == ValueKind::kText && content_type == "text/plain";
}

DecodedBody Refused(int http_status, std::string_view message) {
  DecodedBody result;
  result.status = absl::InvalidArgumentError(ToAbsl(message));
  result.http_status = http_status;
  return result;
}

}  // namespace

DecodedBody DecodeBody(const Request& request, const Interface& target) {
  const MediaValue type = ParseMediaValue(request.field("content-type").value_or(""));
  absl::StatusOr<std::vector<BodyInput>> inputs;
  if (type.value == "multipart/form-data") {
    inputs = DecodeMultipart(request.body, type.Parameter("boundary"), target);
  } else if (type.value == "application/json") {
    if (request.body.size() > kMaxJsonBytes) {
      return Refused(413, StrCat("a JSON body may have ", kMaxJsonBytes, " bytes, not ",
                                 request.body.size(), "; send multipart/form-data, or use gRPC"));
    }
    inputs = DecodeJson(request.body, target);
  } else if (target.inputs.size() == 1 && CanBe(type.value, target.inputs[0].type.kind)) {
    BodyInput input;
    input.shape = {1};
    input.bytes.reserve(request.body.size() + kBytesElementHeader);
    AppendBytesElement(request.body, input.bytes);
    inputs.emplace();
    inputs->push_back(std::move(input));
  } else {
    return Refused(
        415,
        StrCat("'", target.name, "' takes no ",
               type.value.empty() ? std::string("body without a content type")
                                  : StrCat("'", BoundedUtf8(type.value, kMaxQuoted), "'"),
               "; send application/json, or multipart/form-data; an image, bytes or text that "
               "is the only input can be the body (image/*, application/octet-stream, "
               "text/plain)",
               type.value == kCurlsOwn ? "; curl says that by itself: give it -H 'Content-Type: "
                                         "image/png', for instance"
                                       : ""));
  }
  DecodedBody result;
  if (inputs.ok()) {
    result.inputs = *std::move(inputs);
  } else {
    result.status = inputs.status();
  }
  return result;
}

}  // namespace tiffin::gateway::http
