#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/api/kserve/model_table.h"
#include "gateway/api/kserve/response.h"
#include "gateway/graph/value.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin::gateway::http {

// An output to send, as the client wants it.
struct WantedOutput {
  size_t index = 0;  // Into the model's.
  bool binary = false;
};

// The body of a KServe v2 inference answer.
struct InferAnswer {
  grpc::ByteBuffer body;
  // How much of it is JSON; the contents of the binary outputs follow.
  size_t json_size = 0;
};

// Outputs that are not binary are flat lists in the JSON. `parameters`: null for none.
absl::StatusOr<InferAnswer> EncodeInferAnswer(const kserve::Model& model, std::string_view id,
                                              const std::vector<Value>& outputs,
                                              const std::vector<WantedOutput>& wanted,
                                              const kserve::Parameters* parameters);

}  // namespace tiffin::gateway::http
