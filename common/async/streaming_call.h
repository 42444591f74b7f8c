#pragma once

#include <atomic>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/async/rpc_call.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin {

// Of any method: its messages are read and written one by one.
class StreamingCall final : public RpcCall {
 public:
  // Asks `service`, of a server that has started, for a call.
  StreamingCall(RpcCallHost& host, grpc::AsyncGenericService& service);

  std::string_view method() const override { return context_.method(); }
  void Read(absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> done) override;
  void Write(grpc::ByteBuffer message, absl::AnyInvocable<void(bool)> done) override;
  void Finish(absl::Status status, std::optional<grpc::ByteBuffer> message) override;

 private:
  void ReadDone(bool ok);
  void Written(bool ok);
  void RequestNext() override;

  grpc::AsyncGenericService& service_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_{&context_};
  grpc::ByteBuffer read_buffer_;
  absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> read_done_;
  absl::AnyInvocable<void(bool)> write_done_;
  std::optional<std::pair<absl::Status, std::optional<grpc::ByteBuffer>>> deferred_finish_;
  std::atomic<bool> writing_ = false;
  Op<StreamingCall> on_read_{*this, &StreamingCall::ReadDone};
  Op<StreamingCall> on_written_{*this, &StreamingCall::Written};
};

}  // namespace tiffin
