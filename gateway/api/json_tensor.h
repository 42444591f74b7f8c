#pragma once

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "common/signature.h"
#include "common/tensor.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway {

struct RawTensor {
  Shape shape;
  std::string bytes;
};

// How JSON has the elements of BYTES tensors.
enum class BytesForm {
  kBase64,
  kText,  // KServe v2's: the strings themselves, which must be UTF-8.
};

// A number, or nested lists of them, as a tensor of `dtype` with the rank of `pattern`. Elements of
// BYTES have the `form`; "NaN", "Infinity" and "-Infinity" are numbers too, as JSON has no others.
// Says what does not fit, without the input's name; the sizes of the dimensions are not judged.
absl::StatusOr<RawTensor> TensorFromJson(const nlohmann::json& json, DataType dtype,
                                         std::span<const int64_t> pattern, BytesForm form);

// The elements of a tensor of `shape`, which a client has named: a list of them all, or lists
// nested as the shape is. BYTES are text.
absl::StatusOr<std::string> ElementsFromJson(const nlohmann::json& json, DataType dtype,
                                             std::span<const int64_t> shape);

// The reverse of both, appended to `out`; a flat list where the tensor's shape is one. `tensor` is
// valid. UNIMPLEMENTED for FP16 and BF16, and for BYTES as text that is not UTF-8.
absl::Status AppendTensorJson(const TensorView& tensor, BytesForm form, std::string& out);

}  // namespace tiffin::gateway
