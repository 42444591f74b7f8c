#include "gateway/graph/text_rows.h"

#include <cstdint>

#include "common/status_macros.h"

namespace tiffin::gateway {

Value TextRows(std::span<const std::string> rows) {
  std::string framed;
  for (const std::string& row : rows) AppendBytesElement(row, framed);
  return HeapValue(DataType::kBytes, {static_cast<int64_t>(rows.size())}, framed);
}

absl::StatusOr<std::vector<std::string>> ReadTextRows(const Value& value) {
  ASSIGN_OR_RETURN(const TensorView view, value.View());
  RETURN_IF_ERROR(ValidateTensor(view));  // Nobody looked into a worker's BYTES until here.
  ASSIGN_OR_RETURN(const std::vector<std::string_view> rows, ParseBytesElements(view.bytes));
  return std::vector<std::string>(rows.begin(), rows.end());
}

}  // namespace tiffin::gateway
