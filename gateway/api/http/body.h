#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/tensor.h"
#include "gateway/api/http/message.h"
#include "gateway/api/interface.h"

namespace tiffin::gateway::http {

// An input as its target's signature has it, not yet checked against it.
struct BodyInput {
  size_t index = 0;  // Into the target's inputs.
  Shape shape;
  std::string bytes;  // Framed where they are BYTES.
};

// What a body says, or with what status it is to be refused.
struct DecodedBody {
  std::vector<BodyInput> inputs;
  absl::Status status;
  int http_status = 0;  // 0: what the status's code says.
};

// The inputs in the body of a request to `target`, by its content type:
//   multipart/form-data              a field for each input; repeated, for several rows
//   application/json                 {"input": value, ...}
//   image/*, application/octet-stream, text/plain     the one input of an API that has one
// From any thread.
DecodedBody DecodeBody(const Request& request, const Interface& target);

}  // namespace tiffin::gateway::http
