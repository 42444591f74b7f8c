#pragma once

#include <functional>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::gateway::testing {

// What is done to a good request, and how it must be refused then.
struct BadRequest {
  std::string name;
  std::function<void(inference::ModelInferRequest&)> spoil;
  std::string message;
  absl::StatusCode code = absl::StatusCode::kInvalidArgument;

  friend void PrintTo(const BadRequest& bad, std::ostream* out) { *out << bad.name; }
};

}  // namespace tiffin::gateway::testing
