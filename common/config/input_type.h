#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "common/signature.h"

namespace tiffin::config {

// The type of an API's input: "image", "fp32[64]", or with rows "image[rows]", "fp32[rows,64]".
struct InputType {
  ValueType type;  // Of one row.
  bool has_rows = false;
};
absl::StatusOr<InputType> ParseInputType(std::string_view text);

}  // namespace tiffin::config
