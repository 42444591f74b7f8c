#include "gateway/graph/rows.h"

#include <utility>

#include "common/signature.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

std::span<const int64_t> RowShape(const Shape& shape) {
  return std::span<const int64_t>(shape).subspan(shape.empty() ? 0 : 1);
}

std::string RowType(const Value& value) {
  const auto shape = RowShape(value.shape);
  return ToString(TensorType(value.dtype, Shape(shape.begin(), shape.end())));
}

Shape WithRows(int64_t rows, std::span<const int64_t> row_shape) {
  Shape shape = {rows};
  shape.insert(shape.end(), row_shape.begin(), row_shape.end());
  return shape;
}

}  // namespace

absl::StatusOr<RowReader> RowReader::Create(Value value) {
  ASSIGN_OR_RETURN(TensorView view, value.View());
  RowReader reader(std::move(value), std::move(view));
  const TensorView& tensor = reader.view_;
  if (tensor.dtype != DataType::kBytes) {
    RETURN_IF_ERROR(ValidateTensor(tensor));
    if (reader.rows() > 0) {
      reader.row_size_ = tensor.bytes.size() / static_cast<uint64_t>(reader.rows());
    }
    return reader;
  }
  ASSIGN_OR_RETURN(const int64_t elements_per_row, ElementCount(RowShape(tensor.shape)));
  ASSIGN_OR_RETURN(const std::vector<std::string_view> elements, ParseBytesElements(tensor.bytes));
  ASSIGN_OR_RETURN(const int64_t expected, ElementCount(tensor.shape));
  if (elements.size() != static_cast<size_t>(expected)) {
    return absl::InvalidArgumentError(StrCat("a BYTES tensor of shape ",
                                             ShapeToString(tensor.shape), " holds ",
                                             elements.size(), " elements"));
  }
  reader.row_starts_.reserve(static_cast<size_t>(reader.rows()) + 1);
  reader.row_starts_.push_back(0);
  uint64_t offset = 0;
  size_t element = 0;
  for (int64_t row = 0; row < reader.rows(); ++row) {
    for (int64_t i = 0; i < elements_per_row; ++i) {
      offset += kBytesElementHeader + elements[element++].size();
    }
    reader.row_starts_.push_back(offset);
  }
  return reader;
}

uint64_t RowReader::StartOf(int64_t row) const {
  const auto index = static_cast<uint64_t>(row);
  return row_starts_.empty() ? index * row_size_ : row_starts_[index];
}

TensorView RowReader::View(int64_t row) const {
  const auto shape = RowShape(view_.shape);
  const uint64_t start = StartOf(row);
  return TensorView{view_.dtype, Shape(shape.begin(), shape.end()),
                    view_.bytes.subspan(start, StartOf(row + 1) - start)};
}

Value RowReader::Rows(int64_t first, int64_t count) const {
  const uint64_t start = StartOf(first);
  return Value{.dtype = view_.dtype,
               .shape = WithRows(count, RowShape(view_.shape)),
               .buffer = value_.buffer->Part(start, StartOf(first + count) - start)};
}

absl::StatusOr<Value> GatherRows(std::span<const Value> values) {
  if (values.empty()) return absl::InternalError("there are no rows to gather");
  if (values.size() == 1) return values.front();
  const Value& first = values.front();
  std::vector<std::span<const std::byte>> pieces;
  pieces.reserve(values.size());
  int64_t rows = 0;
  for (const Value& value : values) {
    if (value.dtype != first.dtype || !ShapeMatches(RowShape(value.shape), RowShape(first.shape))) {
      return absl::InvalidArgumentError(
          StrCat("row ", rows, " is ", RowType(value), " and row 0 is ", RowType(first),
                 "; the rows of one request must have one shape: send them one by one"));
    }
    ASSIGN_OR_RETURN(const TensorView view, value.View());
    pieces.push_back(view.bytes);
    rows += value.rows();
  }
  return HeapValue(first.dtype, WithRows(rows, RowShape(first.shape)), pieces);
}

absl::StatusOr<Value> RepeatRow(const Value& value, int64_t rows) {
  if (rows == 1) return value;
  ASSIGN_OR_RETURN(const TensorView view, value.View());
  const std::vector<std::span<const std::byte>> pieces(static_cast<size_t>(rows), view.bytes);
  return HeapValue(value.dtype, WithRows(rows, RowShape(value.shape)), pieces);
}

}  // namespace tiffin::gateway
