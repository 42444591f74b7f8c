#include "gateway/client/outputs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/json_tensor.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"
#include "gateway/client/npy.h"

namespace tiffin::gateway::client {
namespace {

using nlohmann::json;

// A tensor with more elements shows the first and last ones of each long dimension.
constexpr int64_t kMaxShown = 64;
constexpr int64_t kEdge = 3;

std::string Dump(const json& value, int indent) {
  return value.dump(indent, /*indent_char=*/' ', /*ensure_ascii=*/false,
                    json::error_handler_t::replace);
}

// Writes elements of a tensor as nested lists.
class Lists {
 public:
  explicit Lists(const Output& output)
      : tensor_(output.value),
        elements_(output.rows),
        size_(ElementSize(tensor_.dtype)),
        elides_(ElementCount(tensor_.shape).value_or(0) > kMaxShown) {}

  std::string Text() {
    Append(0, 0);
    return std::move(text_);
  }

 private:
  // What lies below `depth` dimensions, from the `index`th element of that depth on.
  void Append(size_t depth, int64_t index) {
    if (depth == tensor_.shape.size()) {
      AppendElement(static_cast<size_t>(index));
      return;
    }
    const int64_t size = tensor_.shape[depth];
    text_ += '[';
    for (int64_t i = 0; i < size; ++i) {
      if (i > 0) text_ += ", ";
      if (elides_ && i == kEdge && size > 2 * kEdge) {
        text_ += "..., ";
        i = size - kEdge;
      }
      Append(depth + 1, index * size + i);
    }
    text_ += ']';
  }

  void AppendElement(size_t index) {
    if (size_ == 0) {
      const std::string_view element = elements_[index];
      text_ += IsValidUtf8(element) ? Dump(json(std::string(element)), -1)
                                    : StrCat("<", element.size(), " bytes>");
      return;
    }
    const TensorView element{
        .dtype = tensor_.dtype, .shape = {}, .bytes = tensor_.bytes.subspan(index * size_, size_)};
    if (!AppendTensorJson(element, BytesForm::kBase64, text_).ok()) text_ += '?';
  }

  const TensorView& tensor_;
  const std::vector<std::string_view>& elements_;
  const size_t size_;  // 0: BYTES.
  const bool elides_;
  std::string text_;
};

std::string RowText(const Output& output, std::string_view row) {
  switch (output.port.spec.type.kind) {
    case ValueKind::kText:
      return std::string(row);
    case ValueKind::kJson: {
      const json value = json::parse(row, /*cb=*/nullptr, /*allow_exceptions=*/false);
      return value.is_discarded() ? std::string(row) : Dump(value, 2);
    }
    default:
      return StrCat(row.size(), " bytes; '--output ", output.port.spec.name, "=FILE' writes them");
  }
}

absl::StatusOr<json> RowJson(const Output& output, std::string_view row) {
  switch (output.port.spec.type.kind) {
    case ValueKind::kText:
      return json(std::string(row));
    case ValueKind::kJson: {
      json value = json::parse(row, /*cb=*/nullptr, /*allow_exceptions=*/false);
      if (!value.is_discarded()) return value;
      return absl::InternalError(
          StrCat("output '", output.port.spec.name, "' does not parse as JSON"));
    }
    default:
      return json(absl::Base64Escape(ToAbsl(row)));
  }
}

absl::Status NotInReply(const Port& port, std::string_view why) {
  return absl::InternalError(StrCat("output '", port.spec.name, "' of the reply ", why));
}

}  // namespace

absl::StatusOr<std::vector<Output>> OutputsOf(const Model& model,
                                              const inference::ModelInferResponse& response) {
  std::vector<Output> outputs;
  for (const Port& port : model.outputs) {
    const auto found =
        std::find_if(response.outputs().begin(), response.outputs().end(),
                     [&](const auto& tensor) { return tensor.name() == port.spec.name; });
    const auto index = found - response.outputs().begin();
    if (index >= response.raw_output_contents_size()) return NotInReply(port, "is missing");
    Output output{.port = port, .value = {}, .rows = {}};
    output.value.dtype = ParseDataType(found->datatype()).value_or(DataType::kInvalid);
    output.value.shape.assign(found->shape().begin(), found->shape().end());
    output.value.bytes = AsBytes(response.raw_output_contents(static_cast<int>(index)));
    if (output.value.dtype != port.spec.type.dtype) {
      return NotInReply(port, StrCat("has the type ", found->datatype()));
    }
    const absl::Status valid = ValidateTensor(output.value);
    if (!valid.ok()) return NotInReply(port, StrCat("is broken: ", Message(valid)));
    if (output.value.dtype == DataType::kBytes) {
      ASSIGN_OR_RETURN(output.rows, ParseBytesElements(output.value.bytes));
    }
    const bool is_tensor = port.spec.type.kind == ValueKind::kTensor;
    if (!is_tensor && !port.has_rows && output.rows.size() != 1) {
      return NotInReply(port, StrCat("has ", output.rows.size(), " rows"));
    }
    outputs.push_back(std::move(output));
  }
  return outputs;
}

std::string OutputText(const Output& output) {
  const ValueType& type = output.port.spec.type;
  if (type.kind == ValueKind::kTensor) {
    const std::string shape =
        StrCat(ToLower(DataTypeName(type.dtype)), ShapeToString(output.value.shape));
    if (type.dtype == DataType::kFp16 || type.dtype == DataType::kBf16) {
      return StrCat(shape, "; '--output ", output.port.spec.name, "=FILE.npy' writes it");
    }
    return StrCat(shape, " ", Lists(output).Text());
  }
  std::string text;
  for (const std::string_view row : output.rows) {
    text += StrCat(text.empty() ? "" : "\n", RowText(output, row));
  }
  return text;
}

absl::StatusOr<json> OutputJson(const Output& output) {
  if (output.port.spec.type.kind == ValueKind::kTensor) {
    std::string text;
    const absl::Status written = AppendTensorJson(output.value, BytesForm::kBase64, text);
    if (!written.ok()) {
      return absl::UnimplementedError(StrCat(
          "output '", output.port.spec.name, "' is ", DataTypeName(output.value.dtype),
          ", which JSON has not; write it with '--output ", output.port.spec.name, "=FILE.npy'"));
    }
    return json::parse(text);
  }
  if (!output.port.has_rows) return RowJson(output, output.rows.front());
  json rows = json::array();
  for (const std::string_view row : output.rows) {
    ASSIGN_OR_RETURN(json value, RowJson(output, row));
    rows.push_back(std::move(value));
  }
  return rows;
}

absl::StatusOr<std::string> OutputFile(const Output& output, std::string_view file) {
  if (output.port.spec.type.kind == ValueKind::kTensor && file.ends_with(".npy")) {
    absl::StatusOr<std::string> written = WriteNpy(output.value);
    if (!written.ok()) {
      return Annotate(written.status(), StrCat("output '", output.port.spec.name, "'"));
    }
    return written;
  }
  if (output.port.spec.type.shape.empty() && output.rows.size() == 1) {
    return std::string(output.rows.front());
  }
  ASSIGN_OR_RETURN(const json value, OutputJson(output));
  return StrCat(Dump(value, -1), "\n");
}

}  // namespace tiffin::gateway::client
