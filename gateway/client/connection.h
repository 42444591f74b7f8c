#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/security/client_security.h"
#include "gateway/client/interrupts.h"
#include "gateway/client/model.h"
#include "grpcpp/channel.h"
#include "grpcpp/support/byte_buffer.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::gateway::client {

struct CallOptions {
  absl::Duration timeout = absl::Seconds(60);
  std::vector<std::pair<std::string, std::string>> metadata;
};

// What became of a call.
struct InferResult {
  absl::Status status;
  inference::ModelInferResponse response;  // Only if the status is OK.
  std::string request_id;                  // As the server has it; empty if it never heard of it.
  std::string timing;                      // Of `tiffin-timing`, where it was asked for.
};

// A server's KServe v2, called one call at a time. Blocks; a signal that `interrupts` sees cancels
// the call, whose status is CANCELLED then.
class Connection {
 public:
  // INVALID_ARGUMENT for what is no address. Connects with the first call. `interrupts` outlives
  // it.
  static absl::StatusOr<Connection> Create(const std::string& address,
                                           const security::ClientSecurity& security,
                                           Interrupts& interrupts);

  // NOT_FOUND names what there is instead. UNAVAILABLE, where nobody answers, says what to try.
  absl::StatusOr<Model> Describe(const std::string& model, const CallOptions& options);
  InferResult Infer(const inference::ModelInferRequest& request, const CallOptions& options);
  // The address could not be reached by the last call.
  bool unreachable() const { return unreachable_; }

 private:
  Connection(std::string address, const security::ClientSecurity& security, Interrupts& interrupts);
  absl::StatusOr<grpc::ByteBuffer> Call(std::string_view method,
                                        const google::protobuf::Message& request,
                                        const CallOptions& options, grpc::ClientContext& context);
  // With what to try.
  absl::Status Explained(const grpc::Status& status, const CallOptions& options,
                         absl::Time deadline);

  std::string address_;
  Interrupts* interrupts_;
  std::shared_ptr<grpc::Channel> channel_;  // gRPC's own way to own one.
  bool tls_;
  bool unreachable_ = false;
};

}  // namespace tiffin::gateway::client
