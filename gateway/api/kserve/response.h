#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/tensor.h"
#include "gateway/api/kserve/model_table.h"
#include "gateway/api/kserve/request.h"
#include "gateway/api/kserve/shared_tensor.h"
#include "gateway/graph/value.h"
#include "grpcpp/support/byte_buffer.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::gateway::kserve {

// A ModelInferResponse with the outputs `requested`, always as raw contents, which are copied once:
// from where they lie into the message's bytes. Those that are to be in shared memory are put
// there, and their raw contents are empty, so that the others have their places in the list, as
// Triton has it. `parameters`: null for none.
absl::StatusOr<grpc::ByteBuffer> EncodeResponse(const Model& model, std::string_view id,
                                                const std::vector<Value>& outputs,
                                                const std::vector<RequestedOutput>& requested,
                                                const Parameters* parameters = nullptr);

// The output at `index`, with the shape that clients see, where it lies.
absl::StatusOr<TensorView> OutputView(const Model& model, const std::vector<Value>& outputs,
                                      size_t index);

inference::ModelMetadataResponse MetadataOf(const Model& model);

}  // namespace tiffin::gateway::kserve
