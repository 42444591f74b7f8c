#include "gateway/api/kserve/response.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/message_io.h"
#include "gateway/api/status.h"
#include "google/protobuf/arena.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace tiffin::gateway::kserve {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;

constexpr uint32_t kRawTag =
    WireFormatLite::MakeTag(inference::ModelInferResponse::kRawOutputContentsFieldNumber,
                            WireFormatLite::WIRETYPE_LENGTH_DELIMITED);

void AddTensorMetadata(
    const std::vector<TensorSpec>& specs, bool has_rows,
    google::protobuf::RepeatedPtrField<inference::ModelMetadataResponse::TensorMetadata>& list) {
  for (const TensorSpec& spec : specs) {
    auto& metadata = *list.Add();
    metadata.set_name(spec.name);
    metadata.set_datatype(std::string(DataTypeName(spec.type.dtype)));
    const Shape shape = ClientShape(spec.type, has_rows);
    metadata.mutable_shape()->Add(shape.begin(), shape.end());
  }
}

// The message's head, then the raw contents: the same bytes as the whole message serialized.
absl::StatusOr<grpc::ByteBuffer> Assemble(const inference::ModelInferResponse& head,
                                          const std::vector<std::span<const std::byte>>& contents) {
  const size_t head_size = head.ByteSizeLong();
  size_t size = head_size;
  for (const auto& bytes : contents) {
    size += CodedOutputStream::VarintSize32(kRawTag) +
            CodedOutputStream::VarintSize64(bytes.size()) + bytes.size();
  }
  if (size > static_cast<size_t>(std::numeric_limits<int>::max())) {
    return absl::ResourceExhaustedError(
        StrCat("the outputs take ", size, " bytes, more than a message can hold; ask for fewer"));
  }
  MessageBuffer buffer(size);
  uint8_t* out = head.SerializeWithCachedSizesToArray(buffer.data());
  for (const auto& bytes : contents) {
    out = CodedOutputStream::WriteVarint32ToArray(kRawTag, out);
    out = CodedOutputStream::WriteVarint64ToArray(bytes.size(), out);
    out = std::copy_n(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), out);
  }
  return buffer.Take();
}

// Writes an output where its client wants it.
absl::Status Put(std::span<const std::byte> bytes, const SharedTensor& place,
                 const std::string& output) {
  if (bytes.size() > place.byte_size) {
    return absl::InvalidArgumentError(
        StrCat("shared memory size specified with the request for output '", output, "' (",
               place.byte_size, " bytes) should be at least ", bytes.size(),
               " bytes to hold the results"));
  }
  const absl::Status status = place.region->Write(place.offset, bytes);
  return status.ok() ? status : Annotate(status, StrCat("output '", output, "'"));
}

}  // namespace

inference::ModelMetadataResponse MetadataOf(const Model& model) {
  inference::ModelMetadataResponse response;
  response.set_name(model.interface.name);
  response.add_versions(model.version);
  response.set_platform(model.platform);
  AddTensorMetadata(model.interface.inputs, model.interface.has_rows, *response.mutable_inputs());
  AddTensorMetadata(model.interface.outputs, model.interface.has_rows, *response.mutable_outputs());
  auto& properties = *response.mutable_properties();
  for (const TensorSpec& spec : model.interface.inputs) {
    properties[StrCat("input.", spec.name)] = ToString(spec.type);
  }
  for (const TensorSpec& spec : model.interface.outputs) {
    properties[StrCat("output.", spec.name)] = ToString(spec.type);
  }
  return response;
}

absl::StatusOr<TensorView> OutputView(const Model& model, const std::vector<Value>& outputs,
                                      size_t index) {
  const TensorSpec& spec = model.interface.outputs[index];
  if (index >= outputs.size()) {
    return absl::InternalError(StrCat("output '", spec.name, "' is missing in the result"));
  }
  ASSIGN_OR_RETURN(Shape shape, ReplyShape(spec, model.interface.has_rows, outputs[index]));
  absl::StatusOr<TensorView> view = outputs[index].View();
  if (!view.ok()) return Annotate(view.status(), StrCat("output '", spec.name, "'"));
  view->shape = std::move(shape);
  return view;
}

absl::StatusOr<grpc::ByteBuffer> EncodeResponse(const Model& model, std::string_view id,
                                                const std::vector<Value>& outputs,
                                                const std::vector<RequestedOutput>& requested,
                                                const Parameters* parameters) {
  google::protobuf::Arena arena;
  auto& head = *google::protobuf::Arena::CreateMessage<inference::ModelInferResponse>(&arena);
  head.set_model_name(model.interface.name);
  head.set_model_version(model.version);
  head.set_id(std::string(id));
  if (parameters != nullptr) *head.mutable_parameters() = *parameters;
  std::vector<std::span<const std::byte>> contents;
  for (const auto& [index, place] : requested) {
    const TensorSpec& spec = model.interface.outputs[index];
    ASSIGN_OR_RETURN(const TensorView view, OutputView(model, outputs, index));
    auto& output = *head.add_outputs();
    output.set_name(spec.name);
    output.set_datatype(std::string(DataTypeName(spec.type.dtype)));
    output.mutable_shape()->Add(view.shape.begin(), view.shape.end());
    if (place.has_value()) {
      RETURN_IF_ERROR(Put(view.bytes, *place, spec.name));
      SetSharedParameters(*place, view.bytes.size(), *output.mutable_parameters());
      contents.emplace_back();
    } else {
      contents.push_back(view.bytes);
    }
  }
  return Assemble(head, contents);
}

}  // namespace tiffin::gateway::kserve
