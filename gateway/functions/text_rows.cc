#include "gateway/functions/text_rows.h"

#include <cstdint>

namespace tiffin::gateway {

Value TextRows(std::span<const std::string> rows) {
  std::string framed;
  for (const std::string& row : rows) AppendBytesElement(row, framed);
  return HeapValue(DataType::kBytes, {static_cast<int64_t>(rows.size())}, framed);
}

}  // namespace tiffin::gateway
