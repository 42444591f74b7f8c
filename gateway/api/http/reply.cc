#include "gateway/api/http/reply.h"

#include "absl/strings/escaping.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/http/message.h"
#include "gateway/api/json_tensor.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway::http {
namespace {

absl::Status AppendSingle(std::string_view element, const TensorSpec& spec, std::string& out) {
  switch (spec.type.kind) {
    case ValueKind::kText:
      if (!IsValidUtf8(element)) {
        return absl::InternalError(
            StrCat("output '", spec.name, "' is declared as text, but is not valid UTF-8"));
      }
      out += Quote(element);
      return absl::OkStatus();
    case ValueKind::kJson:
      if (!nlohmann::json::accept(element)) {
        return absl::InternalError(
            StrCat("output '", spec.name, "' is declared as json, but does not parse as JSON"));
      }
      out += element;
      return absl::OkStatus();
    default:
      out += StrCat("\"", absl::Base64Escape(ToAbsl(element)), "\"");
      return absl::OkStatus();
  }
}

absl::Status AppendOutput(const Value& value, const TensorSpec& spec, bool has_rows,
                          std::string& out) {
  ASSIGN_OR_RETURN(const Shape shape, ReplyShape(spec, has_rows, value));
  ASSIGN_OR_RETURN(TensorView view, value.View());
  if (spec.type.kind == ValueKind::kTensor) {
    view.shape = shape;
    const absl::Status appended = AppendTensorJson(view, BytesForm::kBase64, out);
    return appended.ok() ? appended : Annotate(appended, StrCat("output '", spec.name, "'"));
  }
  const absl::StatusOr<std::vector<std::string_view>> elements = ParseBytesElements(view.bytes);
  const auto rows = static_cast<size_t>(value.rows());
  if (!elements.ok() || elements->size() != rows) {
    return absl::InternalError(StrCat("output '", spec.name, "' is not ", rows, " elements"));
  }
  if (!has_rows) return AppendSingle(elements->front(), spec, out);
  out += '[';
  for (size_t i = 0; i < rows; ++i) {
    if (i > 0) out += ", ";
    RETURN_IF_ERROR(AppendSingle((*elements)[i], spec, out));
  }
  out += ']';
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> EncodeReply(const std::vector<Value>& outputs,
                                        const Interface& target) {
  std::string out = "{";
  for (size_t i = 0; i < target.outputs.size(); ++i) {
    const TensorSpec& spec = target.outputs[i];
    if (i >= outputs.size()) {
      return absl::InternalError(StrCat("output '", spec.name, "' is missing in the result"));
    }
    if (i > 0) out += ", ";
    out += StrCat(Quote(spec.name), ": ");
    RETURN_IF_ERROR(AppendOutput(outputs[i], spec, target.has_rows, out));
  }
  out += "}\n";
  return out;
}

}  // namespace tiffin::gateway::http
