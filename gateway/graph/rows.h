#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "common/tensor.h"
#include "gateway/graph/value.h"

// A value's rows: cut apart, and put together.
namespace tiffin::gateway {

// The rows of a value, without copying. Keeps the value alive, and so its bytes.
class RowReader {
 public:
  // INVALID_ARGUMENT for BYTES whose framing is broken.
  static absl::StatusOr<RowReader> Create(Value value);

  int64_t rows() const { return value_.rows(); }
  const Value& value() const { return value_; }
  // Row `row` without the row dimension: its shape is the value's from the second dimension on.
  TensorView View(int64_t row) const;
  // `count` rows from `first` on as a value of their own, which refers to the bytes of this one.
  Value Rows(int64_t first, int64_t count) const;

 private:
  RowReader(Value value, TensorView view) : value_(std::move(value)), view_(std::move(view)) {}
  // In bytes: where the row begins; for the number of rows, where the last one ends.
  uint64_t StartOf(int64_t row) const;

  Value value_;
  TensorView view_;
  uint64_t row_size_ = 0;
  // BYTES only: where each row starts, and at the end the size of them all.
  std::vector<uint64_t> row_starts_;
};

// Puts values together, in order, their rows one after the other. INVALID_ARGUMENT, with the rows
// and both shapes, unless all have the type and the shape (but for the rows) of the first.
absl::StatusOr<Value> GatherRows(std::span<const Value> values);

// A value of one row, `rows` times. The value itself for 1.
absl::StatusOr<Value> RepeatRow(const Value& value, int64_t rows);

}  // namespace tiffin::gateway
