#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "gateway/client/argument.h"
#include "gateway/client/model.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::gateway::client {

// The request that calls `model` with these inputs. An argument without a name is the only input
// that the others leave. Images, bytes and text are taken as they are, json has to parse, and
// tensors are JSON (as over HTTP) or .npy files; again and again for each row, but for tensors.
// INVALID_ARGUMENT names the input, its type, and what to write.
absl::StatusOr<inference::ModelInferRequest> MakeRequest(const Model& model,
                                                         const std::vector<Argument>& arguments);

}  // namespace tiffin::gateway::client
