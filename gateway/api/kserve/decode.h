#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/async/caller.h"
#include "gateway/api/infer_call.h"
#include "gateway/api/kserve/model_table.h"
#include "gateway/api/kserve/request.h"
#include "gateway/api/kserve/response.h"
#include "gateway/api/kserve/shared_memory.h"
#include "gateway/graph/value.h"

namespace tiffin::gateway::kserve {

// What a message asks for, checked whole.
struct CheckedRequest {
  const Model* model;
  std::optional<absl::Duration> timeout;
  std::vector<RequestedOutput> outputs;  // In the order to send them in.
  InputSet inputs;
  // Of the reply: the request's own, and a mark on the only response, for a client that waits for
  // one. Null: none.
  std::unique_ptr<const Parameters> parameters;
};
// What its client may.
struct Allowed {
  const Caller* caller;
  const SharedMemory* memory;  // Null if clients may not share theirs.
};
// `models` outlives the result.
absl::StatusOr<CheckedRequest> CheckRequest(const ParsedRequest& parsed, const ModelTable& models,
                                            const Allowed& allowed, ValueAllocator& allocator);

// The same, to be answered with a ModelInferResponse that has the request's id; without the time it
// came.
absl::StatusOr<InferRequest> DecodeRequest(const ParsedRequest& parsed, const ModelTable& models,
                                           const Allowed& allowed, ValueAllocator& allocator);

// What a parsed message is for, whatever else is wrong with it.
std::optional<InferTarget> TargetOf(const ParsedRequest& parsed, const ModelTable& models);

}  // namespace tiffin::gateway::kserve
