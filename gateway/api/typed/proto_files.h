#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "gateway/graph/plan.h"
#include "google/protobuf/descriptor.pb.h"

namespace tiffin::gateway::typed {

// "inference_graph_demo" -> "InferenceGraphDemo".
std::string CamelCase(std::string_view name);
// "tiffin.services.inference_graph_demo.InferenceGraphDemo"
std::string ServiceFullName(std::string_view service);

// The typed API of a service: file tiffin/services/<service>/service.proto, package
// tiffin.services.<service>, one method an API, with comments. It is not checked: names may clash.
google::protobuf::FileDescriptorProto DescribeService(const PlannedService& service);

// Path -> text of all the .proto files that clients of `services` need, but for protobuf's own.
// INVALID_ARGUMENT if names clash.
absl::StatusOr<std::map<std::string, std::string>> ProtoFiles(
    std::span<const PlannedService> services);

}  // namespace tiffin::gateway::typed
