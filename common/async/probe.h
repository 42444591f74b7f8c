#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace tiffin {

// Asks grpc.health.v1 at `address` for `service` ("": the whole server). OK only if it is SERVING.
// Blocks for `timeout` at most.
absl::Status ProbeHealth(const std::string& address, const std::string& service,
                         absl::Duration timeout,
                         const std::shared_ptr<grpc::ChannelCredentials>& credentials =
                             grpc::InsecureChannelCredentials(),
                         const grpc::ChannelArguments& arguments = {});

}  // namespace tiffin
