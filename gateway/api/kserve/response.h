#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/tensor.h"
#include "gateway/api/kserve/model_table.h"
#include "gateway/graph/value.h"
#include "google/protobuf/map.h"
#include "grpcpp/support/byte_buffer.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::gateway::kserve {

using Parameters = google::protobuf::Map<std::string, inference::InferParameter>;

// A ModelInferResponse with the outputs at `requested` (indices), always as raw contents, which are
// copied once: from where they lie into the message's bytes. `parameters`: null for none.
absl::StatusOr<grpc::ByteBuffer> EncodeResponse(const Model& model, std::string_view id,
                                                const std::vector<Value>& outputs,
                                                const std::vector<size_t>& requested,
                                                const Parameters* parameters = nullptr);

// The outputs at `requested`, with the shapes that clients see, where they lie.
absl::StatusOr<std::vector<TensorView>> OutputViews(const Model& model,
                                                    const std::vector<Value>& outputs,
                                                    const std::vector<size_t>& requested);

inference::ModelMetadataResponse MetadataOf(const Model& model);

}  // namespace tiffin::gateway::kserve
