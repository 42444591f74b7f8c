#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/tensor.h"

// NumPy's format of one array:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
namespace tiffin::gateway::client {

bool IsNpy(std::string_view file);

// A view into `file`. Arrays of little-endian numbers and of booleans, in C's order.
absl::StatusOr<TensorView> ReadNpy(std::string_view file);

// INVALID_ARGUMENT for BYTES and BF16, which NumPy has no type for.
absl::StatusOr<std::string> WriteNpy(const TensorView& tensor);

}  // namespace tiffin::gateway::client
