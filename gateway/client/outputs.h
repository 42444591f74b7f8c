#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/tensor.h"
#include "gateway/client/model.h"
#include "inference/grpc_service.pb.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway::client {

// An output of a reply. Views into the reply.
struct Output {
  Port port;
  TensorView value;
  std::vector<std::string_view> rows;  // Of BYTES.
};

// In the model's order, checked against its types. INTERNAL if the reply is not what it should be.
absl::StatusOr<std::vector<Output>> OutputsOf(const Model& model,
                                              const inference::ModelInferResponse& response);

// For people: text as it is, json over several lines, a tensor with its type and shape, the middle
// of a long one left out, and the size of bytes. Control characters are kept.
std::string OutputText(const Output& output);

// As HTTP's answers have it: text, any JSON, nested lists of a tensor, base64 of bytes; a list of
// rows where there may be several. UNIMPLEMENTED for FP16 and BF16, which JSON has not.
absl::StatusOr<nlohmann::json> OutputJson(const Output& output);

// What a file of it holds: the bytes of a single value as they are, also of a BYTES tensor without
// dimensions; any other tensor as .npy where the file's name ends so, else as JSON.
absl::StatusOr<std::string> OutputFile(const Output& output, std::string_view file);

}  // namespace tiffin::gateway::client
