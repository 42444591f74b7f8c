#pragma once

#include <string_view>
#include <vector>

#include "common/config/diagnostics.h"
#include "gateway/graph/plan.h"
#include "google/protobuf/descriptor.pb.h"

// The contract of a service's typed API: the service.proto that is kept beside the service file, as
// `tiffin check --proto` wrote it once. Clients were built on it, so it goes on being true: fields
// keep their numbers however the service file orders them, and nothing in it goes away or changes
// its type.
namespace tiffin::gateway::typed {

// What DescribeService makes, under the contract `text`: fields have the numbers that they have
// there, new ones the next that are free, and what is reserved there stays so, as do its options.
// What the service can't keep goes to `diagnostics`; the result is whole only if nothing did.
google::protobuf::FileDescriptorProto DescribeUnderContract(const PlannedService& service,
                                                            std::string_view text,
                                                            config::Diagnostics& diagnostics);

// The same under the contract kept beside the service file, and what DescribeService makes where
// there is none. What is wrong with the contract is added to `contracts`, under its path.
google::protobuf::FileDescriptorProto DescribeUnderContract(
    const PlannedService& service, std::vector<config::Diagnostics>& contracts);

}  // namespace tiffin::gateway::typed
