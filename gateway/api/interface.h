#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/signature.h"
#include "common/tensor.h"
#include "gateway/api/serving.h"
#include "gateway/graph/value.h"

namespace tiffin::gateway {

// What clients see of a target, whichever protocol they speak. Values inside a graph always have
// their rows first; clients see rows only where they may choose how many there are: in an API whose
// inputs are declared with `rows`, and in a batchable method of a runner. A single (an image, a
// text, ...) is then a list [-1], else [1].
struct Interface {
  std::string name;  // For messages: "inference_graph_demo.predict".
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  bool has_rows = false;
  int64_t max_batch_size = 0;  // The most rows of a request; 0: any number.

  // An index into `inputs`.
  std::optional<size_t> FindInput(std::string_view input) const;
  std::optional<size_t> FindOutput(std::string_view output) const;
};

Interface InterfaceOf(InferTarget target);
// "<service>.<api>", "<service>.<runner>", or "<service>.<runner>.<method>".
std::string NameOf(InferTarget target);

// "a, b, c", of their names.
std::string NameList(std::span<const TensorSpec> specs);

// The shape that clients see in metadata.
Shape ClientShape(const ValueType& type, bool has_rows);

// The graph's shape of a value that a client sent with `shape`, checked against the type.
absl::StatusOr<Shape> GraphShape(const TensorSpec& spec, bool has_rows,
                                 std::span<const int64_t> shape);

// The shape to send of an output's value. INTERNAL if it is not of the declared type.
absl::StatusOr<Shape> ReplyShape(const TensorSpec& spec, bool has_rows, const Value& value);

// Checks an input that a client sent with `shape`, and copies its bytes to where the steps will
// read them. The size must be the shape's, BYTES be framed well, text be UTF-8, and json parse.
absl::StatusOr<Value> TakeInput(const TensorSpec& spec, bool has_rows,
                                std::span<const int64_t> shape, std::span<const std::byte> bytes,
                                ValueAllocator& allocator);

// The same of `size` bytes that others may change at any time: `read` brings them to where the
// steps will read them, once, and that copy is what is checked. Not called if the size is wrong.
absl::StatusOr<Value> ReadInput(const TensorSpec& spec, bool has_rows,
                                std::span<const int64_t> shape, uint64_t size, FillBytes read,
                                ValueAllocator& allocator);

// Puts the inputs, by index, in order; says which ones are missing, that all must have the same
// rows, and how many of them are too many.
struct InputSet {
  std::vector<Value> values;
  int64_t rows = 1;
};
absl::StatusOr<InputSet> CompleteInputs(const Interface& target,
                                        std::vector<std::optional<Value>> values);

}  // namespace tiffin::gateway
