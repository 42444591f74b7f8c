#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "gateway/api/infer_call.h"
#include "gateway/api/kserve/model_table.h"
#include "gateway/api/kserve/request.h"
#include "gateway/api/kserve/shared_memory.h"
#include "gateway/graph/value.h"

namespace tiffin::gateway::kserve {

// What a message asks for, checked whole; without the time it came. Its reply will have the
// request's id and parameters. `models` outlives the result. `memory`: null if clients may not
// share theirs.
absl::StatusOr<InferRequest> DecodeRequest(const ParsedRequest& parsed, const ModelTable& models,
                                           const SharedMemory* memory, ValueAllocator& allocator);

// What a parsed message is for, whatever else is wrong with it.
std::optional<InferTarget> TargetOf(const ParsedRequest& parsed, const ModelTable& models);

}  // namespace tiffin::gateway::kserve
