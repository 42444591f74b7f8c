#include "gateway/api/typed/codec.h"

#include <optional>
#include <string>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/message_io.h"
#include "gateway/api/text.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "tiffin/v1/tensor.pb.h"

namespace tiffin::gateway::typed {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Reflection;
// Not `Message`, which is also a function of common/strings.h.
using ProtoMessage = google::protobuf::Message;

absl::StatusOr<std::string> JsonText(const TensorSpec& spec, const google::protobuf::Value& json) {
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(json, &text);
  if (!status.ok() || text.empty()) {
    return absl::InvalidArgumentError(
        StrCat("input '", spec.name, "' is not a JSON value; set one of its kinds, and only ",
               "finite numbers"));
  }
  return text;
}

// Appends element `index` of a repeated field, or a singular field's value, framed.
absl::Status AppendElement(const ProtoMessage& request, const TensorSpec& spec,
                           const FieldDescriptor& field, std::optional<int> index,
                           std::string& framed) {
  const Reflection& reflection = *request.GetReflection();
  if (spec.type.kind == ValueKind::kJson) {
    const ProtoMessage& json = index.has_value()
                                   ? reflection.GetRepeatedMessage(request, &field, *index)
                                   : reflection.GetMessage(request, &field);
    ASSIGN_OR_RETURN(const std::string text,
                     JsonText(spec, static_cast<const google::protobuf::Value&>(json)));
    AppendBytesElement(text, framed);
    return absl::OkStatus();
  }
  std::string scratch;
  const std::string& content =
      index.has_value() ? reflection.GetRepeatedStringReference(request, &field, *index, &scratch)
                        : reflection.GetStringReference(request, &field, &scratch);
  if (framed.empty()) framed.reserve(kBytesElementHeader + content.size());
  AppendBytesElement(content, framed);
  return absl::OkStatus();
}

absl::StatusOr<Value> DecodeTensor(const tiffin::v1::Tensor& tensor, const TensorSpec& spec,
                                   bool has_rows, ValueAllocator& allocator) {
  if (ParseDataType(tensor.dtype()) != spec.type.dtype) {
    return absl::InvalidArgumentError(StrCat("input '", spec.name, "' has dtype '",
                                             BoundedUtf8(tensor.dtype(), 200), "', expected ",
                                             DataTypeName(spec.type.dtype)));
  }
  return TakeInput(spec, has_rows, Dimensions(tensor.shape()), AsBytes(tensor.data()), allocator);
}

absl::StatusOr<std::optional<Value>> DecodeInput(const ProtoMessage& request,
                                                 const TensorSpec& spec,
                                                 const FieldDescriptor& field, bool has_rows,
                                                 ValueAllocator& allocator) {
  const Reflection& reflection = *request.GetReflection();
  int rows = 1;
  if (field.is_repeated()) {
    rows = reflection.FieldSize(request, &field);
    if (rows == 0) return std::nullopt;
  } else if (!reflection.HasField(request, &field)) {
    return std::nullopt;
  }
  if (spec.type.kind == ValueKind::kTensor) {
    const auto& tensor =
        static_cast<const tiffin::v1::Tensor&>(reflection.GetMessage(request, &field));
    return DecodeTensor(tensor, spec, has_rows, allocator);
  }
  std::string framed;
  for (int i = 0; i < rows; ++i) {
    const std::optional<int> index = field.is_repeated() ? std::optional<int>(i) : std::nullopt;
    RETURN_IF_ERROR(AppendElement(request, spec, field, index, framed));
  }
  return TakeInput(spec, has_rows, Shape{rows}, AsBytes(framed), allocator);
}

absl::Status EncodeSingle(std::string_view element, const TensorSpec& spec,
                          const FieldDescriptor& field, ProtoMessage& reply) {
  const Reflection& reflection = *reply.GetReflection();
  if (spec.type.kind == ValueKind::kJson) {
    ProtoMessage* json = field.is_repeated() ? reflection.AddMessage(&reply, &field)
                                             : reflection.MutableMessage(&reply, &field);
    const auto status = google::protobuf::util::JsonStringToMessage(
        google::protobuf::StringPiece(element.data(), element.size()), json);
    if (status.ok()) return absl::OkStatus();
    return absl::InternalError(
        StrCat("output '", spec.name, "' is declared as json, but does not parse as JSON"));
  }
  if (spec.type.kind == ValueKind::kText && !IsValidUtf8(element)) {
    return absl::InternalError(
        StrCat("output '", spec.name, "' is declared as text, but is not valid UTF-8"));
  }
  if (field.is_repeated()) {
    reflection.AddString(&reply, &field, std::string(element));
  } else {
    reflection.SetString(&reply, &field, std::string(element));
  }
  return absl::OkStatus();
}

absl::Status EncodeOutput(const Value& value, const TensorSpec& spec, bool has_rows,
                          const FieldDescriptor& field, ProtoMessage& reply) {
  ASSIGN_OR_RETURN(const Shape shape, ReplyShape(spec, has_rows, value));
  ASSIGN_OR_RETURN(const TensorView view, value.View());
  if (spec.type.kind == ValueKind::kTensor) {
    auto& tensor =
        static_cast<tiffin::v1::Tensor&>(*reply.GetReflection()->MutableMessage(&reply, &field));
    tensor.set_dtype(std::string(DataTypeName(value.dtype)));
    tensor.mutable_shape()->Add(shape.begin(), shape.end());
    tensor.set_data(view.bytes.data(), view.bytes.size());
    return absl::OkStatus();
  }
  const absl::StatusOr<std::vector<std::string_view>> elements = ParseBytesElements(view.bytes);
  const auto rows = static_cast<size_t>(value.rows());
  if (!elements.ok() || elements->size() != rows) {
    return absl::InternalError(StrCat("output '", spec.name, "' is not ", rows, " elements"));
  }
  for (const std::string_view element : *elements) {
    RETURN_IF_ERROR(EncodeSingle(element, spec, field, reply));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<InputSet> DecodeRequest(const ProtoMessage& request, const Interface& target,
                                       ValueAllocator& allocator) {
  std::vector<std::optional<Value>> values(target.inputs.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const FieldDescriptor& field = *request.GetDescriptor()->field(static_cast<int>(i));
    ASSIGN_OR_RETURN(values[i],
                     DecodeInput(request, target.inputs[i], field, target.has_rows, allocator));
  }
  return CompleteInputs(target, std::move(values));
}

absl::Status FillReply(const std::vector<Value>& outputs, const Interface& target,
                       ProtoMessage& reply) {
  for (size_t i = 0; i < target.outputs.size(); ++i) {
    const TensorSpec& spec = target.outputs[i];
    if (i >= outputs.size()) {
      return absl::InternalError(StrCat("output '", spec.name, "' is missing in the result"));
    }
    const FieldDescriptor& field = *reply.GetDescriptor()->field(static_cast<int>(i));
    RETURN_IF_ERROR(EncodeOutput(outputs[i], spec, target.has_rows, field, reply));
  }
  return absl::OkStatus();
}

}  // namespace tiffin::gateway::typed
