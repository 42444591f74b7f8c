#include "gateway/api/kserve/request.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "common/async/rpc_server.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/kserve/typed_contents.h"
#include "gateway/api/message_io.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace tiffin::gateway::kserve {
namespace {

using google::protobuf::internal::WireFormatLite;

// As much as could come in a message: no request keeps the loop longer by lying elsewhere.
constexpr uint64_t kMaxSharedBytes = kDefaultMaxMessageBytes;

std::string Quoted(std::string_view name) {
  return StrCat("'", BoundedUtf8(name, kMaxQuoted), "'");
}

// Adds the field at the reader's place to `raw` if it is one of raw_input_contents, else to
// `message`. False: the bytes are not a message.
class FieldReader {
 public:
  FieldReader(std::string_view bytes, inference::ModelInferRequest& message)
      : bytes_(bytes),
        message_(message),
        input_(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size())) {}

  bool ReadAll(std::vector<std::string_view>& raw) {
    constexpr uint32_t kRawTag =
        WireFormatLite::MakeTag(inference::ModelInferRequest::kRawInputContentsFieldNumber,
                                WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
    // The raw contents usually come last, all else is one piece.
    size_t piece_start = 0;
    while (true) {
      const size_t field_start = Position();
      const uint32_t tag = input_.ReadTag();
      if (tag == 0) {
        return field_start == bytes_.size() && Merge(piece_start, field_start);
      }
      if (tag != kRawTag) {
        if (!WireFormatLite::SkipField(&input_, tag)) return false;
        continue;
      }
      if (!Merge(piece_start, field_start)) return false;
      uint32_t length = 0;
      if (!input_.ReadVarint32(&length)) return false;
      const size_t start = Position();
      if (length > bytes_.size() - start || !input_.Skip(static_cast<int>(length))) return false;
      raw.push_back(bytes_.substr(start, length));
      piece_start = Position();
    }
  }

 private:
  size_t Position() const { return static_cast<size_t>(input_.CurrentPosition()); }
  // A message is what its pieces merge to.
  bool Merge(size_t start, size_t end) {
    if (start == end) return true;
    google::protobuf::io::CodedInputStream piece(
        reinterpret_cast<const uint8_t*>(bytes_.data()) + start, static_cast<int>(end - start));
    return message_.MergeFromCodedStream(&piece) && piece.ConsumedEntireMessage();
  }

  std::string_view bytes_;
  inference::ModelInferRequest& message_;
  google::protobuf::io::CodedInputStream input_;
};

// It would change the answer, and this server does not do it.
absl::Status RefuseClassification(std::string_view what, const Parameters& parameters) {
  if (!parameters.contains("classification")) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat(what, " has the parameter 'classification', which this ",
                                           "server does not support; take the whole tensor"));
}

absl::Status CheckDatatype(const TensorSpec& spec, const std::string& datatype) {
  if (ParseDataType(datatype) == spec.type.dtype) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat("input '", spec.name, "' has datatype ",
                                           Quoted(datatype), ", expected ",
                                           DataTypeName(spec.type.dtype)));
}

absl::StatusOr<Value> DecodeTyped(const inference::ModelInferRequest::InferInputTensor& input,
                                  const TensorSpec& spec, bool has_rows,
                                  ValueAllocator& allocator) {
  RETURN_IF_ERROR(GraphShape(spec, has_rows, Dimensions(input.shape())).status());
  ASSIGN_OR_RETURN(const int64_t count, ElementCount(Dimensions(input.shape())));
  const absl::StatusOr<std::string> raw = RawFromTyped(input.contents(), spec.type.dtype, count);
  if (!raw.ok()) return Annotate(raw.status(), StrCat("input '", spec.name, "'"));
  return TakeInput(spec, has_rows, Dimensions(input.shape()), AsBytes(*raw), allocator);
}

bool HasTypedContents(const inference::ModelInferRequest::InferInputTensor& input) {
  return input.has_contents() && input.contents().ByteSizeLong() > 0;
}

absl::StatusOr<Value> DecodeShared(const inference::ModelInferRequest::InferInputTensor& input,
                                   const SharedTensor& tensor, const TensorSpec& spec,
                                   bool has_rows, ValueAllocator& allocator) {
  const auto read = [&](std::span<std::byte> bytes) {
    const absl::Status status = tensor.region->Read(tensor.offset, bytes);
    return status.ok() ? status : Annotate(status, StrCat("input '", spec.name, "'"));
  };
  return ReadInput(spec, has_rows, Dimensions(input.shape()), tensor.byte_size, read, allocator);
}

// Counts, before anything is copied.
absl::Status CheckRaw(const ParsedRequest& request, const SharedMemory* memory) {
  const size_t raw = request.raw_inputs().size();
  size_t inputs = 0;  // Whose contents are in the message.
  for (const auto& input : request.message().inputs()) {
    if (IsShared(input.parameters())) {
      if (memory == nullptr) return SharedMemoryIsOff(StrCat("input ", Quoted(input.name())));
      if (HasTypedContents(input)) {
        return absl::InvalidArgumentError(
            StrCat("input ", Quoted(input.name()),
                   " has typed contents, but lies in shared memory; use one of the two"));
      }
      continue;
    }
    ++inputs;
    if (raw > 0 && HasTypedContents(input)) {
      return absl::InvalidArgumentError(
          StrCat("input ", Quoted(input.name()),
                 " has typed contents in a request with raw_input_contents; use one of the two"));
    }
  }
  if (raw > 0 && raw != inputs) {
    const auto shared = static_cast<size_t>(request.message().inputs_size()) - inputs;
    return absl::InvalidArgumentError(
        StrCat("the request has ", raw, " raw_input_contents for ", inputs, " inputs",
               shared > 0 ? " that are not in shared memory" : "", "; it needs one for each"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParsedRequest::Parse(const grpc::ByteBuffer& bytes) {
  Begin();
  if (!bytes.Valid() || bytes.Length() == 0) return absl::OkStatus();
  // A message that arrived in several pieces is put together here, once.
  if (!bytes.TrySingleSlice(&slice_).ok() && !bytes.DumpToSingleSlice(&slice_).ok()) {
    return InvalidMessage(*message_->GetDescriptor());
  }
  const std::string_view whole(reinterpret_cast<const char*>(slice_.begin()), slice_.size());
  // Sizes in protobuf are ints.
  if (whole.size() > static_cast<size_t>(std::numeric_limits<int>::max()) ||
      !FieldReader(whole, *message_).ReadAll(raw_inputs_)) {
    return InvalidMessage(*message_->GetDescriptor());
  }
  return absl::OkStatus();
}

inference::ModelInferRequest& ParsedRequest::Begin() {
  message_ = google::protobuf::Arena::CreateMessage<inference::ModelInferRequest>(&arena_);
  return *message_;
}

absl::StatusOr<InputSet> DecodeInputs(const ParsedRequest& request, const Interface& target,
                                      const SharedMemory* memory, ValueAllocator& allocator) {
  RETURN_IF_ERROR(CheckRaw(request, memory));
  std::vector<std::optional<Value>> values(target.inputs.size());
  std::span<const std::string_view> raw = request.raw_inputs();
  uint64_t shared_bytes = 0;
  for (const auto& input : request.message().inputs()) {
    const std::optional<size_t> index = target.FindInput(input.name());
    if (!index.has_value()) {
      return absl::InvalidArgumentError(StrCat("'", target.name, "' has no input ",
                                               Quoted(input.name()), "; it takes ",
                                               BoundedUtf8(NameList(target.inputs), kMaxQuoted)));
    }
    const TensorSpec& spec = target.inputs[*index];
    if (values[*index].has_value()) {
      return absl::InvalidArgumentError(
          StrCat("input '", spec.name, "' is given twice; send it once"));
    }
    const std::string what = StrCat("input '", spec.name, "'");
    RETURN_IF_ERROR(RefuseClassification(what, input.parameters()));
    RETURN_IF_ERROR(CheckDatatype(spec, input.datatype()));
    ASSIGN_OR_RETURN(const std::optional<SharedTensor> shared,
                     SharedTensorOf(what, input.parameters(), memory));
    if (shared.has_value()) {
      shared_bytes += shared->byte_size;
      if (shared_bytes > kMaxSharedBytes) {
        return absl::InvalidArgumentError(
            StrCat(what, ": the request has more than ", kMaxSharedBytes,
                   " bytes in shared memory; send fewer rows in one request"));
      }
      ASSIGN_OR_RETURN(values[*index],
                       DecodeShared(input, *shared, spec, target.has_rows, allocator));
    } else if (raw.empty()) {
      ASSIGN_OR_RETURN(values[*index], DecodeTyped(input, spec, target.has_rows, allocator));
    } else {
      ASSIGN_OR_RETURN(values[*index], TakeInput(spec, target.has_rows, Dimensions(input.shape()),
                                                 AsBytes(raw.front()), allocator));
      raw = raw.subspan(1);
    }
  }
  return CompleteInputs(target, std::move(values));
}

absl::StatusOr<std::vector<RequestedOutput>> RequestedOutputs(
    const inference::ModelInferRequest& request, const Interface& target,
    const SharedMemory* memory) {
  std::vector<RequestedOutput> result;
  if (request.outputs().empty()) {
    for (size_t i = 0; i < target.outputs.size(); ++i) result.push_back({.index = i, .place = {}});
    return result;
  }
  std::vector<bool> seen(target.outputs.size(), false);
  for (const auto& output : request.outputs()) {
    const std::optional<size_t> index = target.FindOutput(output.name());
    if (!index.has_value()) {
      return absl::InvalidArgumentError(StrCat("'", target.name, "' has no output ",
                                               Quoted(output.name()), "; it has ",
                                               BoundedUtf8(NameList(target.outputs), kMaxQuoted)));
    }
    if (seen[*index]) {
      return absl::InvalidArgumentError(
          StrCat("output '", output.name(), "' is requested twice; ask for it once"));
    }
    const std::string what = StrCat("output '", output.name(), "'");
    RETURN_IF_ERROR(RefuseClassification(what, output.parameters()));
    ASSIGN_OR_RETURN(std::optional<SharedTensor> place,
                     SharedTensorOf(what, output.parameters(), memory));
    seen[*index] = true;
    result.push_back({.index = *index, .place = std::move(place)});
  }
  return result;
}

absl::StatusOr<std::optional<absl::Duration>> TimeoutOf(
    const inference::ModelInferRequest& request) {
  const auto it = request.parameters().find("timeout");
  if (it == request.parameters().end()) return std::nullopt;
  const inference::InferParameter& parameter = it->second;
  int64_t microseconds = -1;
  if (parameter.has_int64_param()) {
    microseconds = parameter.int64_param();
  } else if (parameter.has_uint64_param()) {
    constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    microseconds = static_cast<int64_t>(std::min(parameter.uint64_param(), kMax));
  }
  if (microseconds < 0) {
    return absl::InvalidArgumentError(
        "the parameter 'timeout' must be a number of microseconds, as int64_param");
  }
  if (microseconds == 0) return std::nullopt;
  return absl::Microseconds(microseconds);
}

}  // namespace tiffin::gateway::kserve
