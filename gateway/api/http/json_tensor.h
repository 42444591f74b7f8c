#pragma once

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "common/signature.h"
#include "common/tensor.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway::http {

struct RawTensor {
  Shape shape;
  std::string bytes;
};

// A number, or nested lists of them, as a tensor of `dtype` with the rank of `pattern`. Elements of
// BYTES are base64; "NaN", "Infinity" and "-Infinity" are numbers too, as JSON has no others. Says
// what does not fit, without the input's name; the sizes of the dimensions are not judged.
absl::StatusOr<RawTensor> TensorFromJson(const nlohmann::json& json, DataType dtype,
                                         std::span<const int64_t> pattern);

// The reverse, appended to `out`. `tensor` is valid. UNIMPLEMENTED for FP16 and BF16.
absl::Status AppendTensorJson(const TensorView& tensor, std::string& out);

}  // namespace tiffin::gateway::http
