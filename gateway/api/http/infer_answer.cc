#include "gateway/api/http/infer_answer.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "common/status_macros.h"
#include "common/strings.h"
#include "common/tensor.h"
#include "gateway/api/http/message.h"
#include "gateway/api/json_tensor.h"
#include "gateway/api/message_io.h"
#include "gateway/api/status.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway::http {
namespace {

nlohmann::json ToJson(const inference::InferParameter& parameter) {
  switch (parameter.parameter_choice_case()) {
    case inference::InferParameter::kBoolParam:
      return parameter.bool_param();
    case inference::InferParameter::kInt64Param:
      return parameter.int64_param();
    case inference::InferParameter::kStringParam:
      return parameter.string_param();
    case inference::InferParameter::kDoubleParam:
      return parameter.double_param();
    case inference::InferParameter::kUint64Param:
      return parameter.uint64_param();
    case inference::InferParameter::PARAMETER_CHOICE_NOT_SET:
      break;
  }
  return nullptr;
}

std::string ParametersJson(const kserve::Parameters& parameters) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [key, value] : parameters) json[key] = ToJson(value);
  return json.dump();
}

// `tensor` as a flat list.
absl::Status AppendData(TensorView tensor, std::string& out) {
  ASSIGN_OR_RETURN(const int64_t count, ElementCount(tensor.shape));
  tensor.shape = {count};
  return AppendTensorJson(tensor, BytesForm::kText, out);
}

grpc::ByteBuffer Assemble(std::string_view json,
                          const std::vector<std::span<const std::byte>>& contents) {
  size_t size = json.size();
  for (const auto& bytes : contents) size += bytes.size();
  MessageBuffer buffer(size);
  uint8_t* out = std::copy(json.begin(), json.end(), buffer.data());
  for (const auto& bytes : contents) {
    out = std::copy_n(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), out);
  }
  return buffer.Take();
}

}  // namespace

absl::StatusOr<InferAnswer> EncodeInferAnswer(const kserve::Model& model, std::string_view id,
                                              const std::vector<Value>& outputs,
                                              const std::vector<WantedOutput>& wanted,
                                              const kserve::Parameters* parameters) {
  std::string json = StrCat("{\"model_name\": ", Quote(model.interface.name),
                            ", \"model_version\": ", Quote(model.version));
  if (!id.empty()) json += StrCat(", \"id\": ", Quote(id));
  if (parameters != nullptr) json += StrCat(", \"parameters\": ", ParametersJson(*parameters));
  json += ", \"outputs\": [";
  std::vector<std::span<const std::byte>> contents;
  for (const auto& [index, binary] : wanted) {
    const TensorSpec& spec = model.interface.outputs[index];
    ASSIGN_OR_RETURN(const TensorView view, kserve::OutputView(model, outputs, index));
    json += StrCat(json.back() == '[' ? "" : ", ", "{\"name\": ", Quote(spec.name),
                   ", \"datatype\": \"", DataTypeName(spec.type.dtype),
                   "\", \"shape\": ", ShapeToString(view.shape));
    if (binary) {
      json += StrCat(", \"parameters\": {\"binary_data_size\": ", view.bytes.size(), "}}");
      contents.push_back(view.bytes);
      continue;
    }
    json += ", \"data\": ";
    if (const absl::Status appended = AppendData(view, json); !appended.ok()) {
      return Annotate(appended, StrCat("output '", spec.name, "'"));
    }
    json += '}';
  }
  json += contents.empty() ? "]}\n" : "]}";
  return InferAnswer{.body = Assemble(json, contents), .json_size = json.size()};
}

}  // namespace tiffin::gateway::http
