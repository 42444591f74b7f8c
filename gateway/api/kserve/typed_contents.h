#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/tensor.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::gateway::kserve {

// The elements of `contents` as raw bytes (BYTES framed). INVALID_ARGUMENT, without the input's
// name, if they are in a list that is not the dtype's, if there are not `count` of them, or if one
// does not fit the dtype.
absl::StatusOr<std::string> RawFromTyped(const inference::InferTensorContents& contents,
                                         DataType dtype, int64_t count);

}  // namespace tiffin::gateway::kserve
