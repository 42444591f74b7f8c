#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/api/interface.h"
#include "gateway/graph/value.h"
#include "google/protobuf/message.h"

namespace tiffin::gateway::typed {

// The inputs in a typed request, checked. Field i is input i.
absl::StatusOr<InputSet> DecodeRequest(const google::protobuf::Message& request,
                                       const Interface& target, ValueAllocator& allocator);

// Fills an empty typed reply. INTERNAL if an output is not what was declared.
absl::Status FillReply(const std::vector<Value>& outputs, const Interface& target,
                       google::protobuf::Message& reply);

}  // namespace tiffin::gateway::typed
