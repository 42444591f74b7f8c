#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/async/rpc_call.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/async_unary_call.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin {

// Methods known by name that take one message and answer one. gRPC hands over such a call with its
// message, which saves an operation, and a wait for it, of three. A call that ends without one is
// answered by gRPC itself, with INTERNAL; no client library's unary call does that.
class UnaryMethods final : public grpc::Service {
 public:
  // "/package.Service/Method", each once.
  explicit UnaryMethods(std::vector<std::string> names);

  size_t size() const { return names_.size(); }
  const std::string& name(size_t index) const { return names_[index]; }
  void Request(size_t index, grpc::ServerContext& context, grpc::ByteBuffer& message,
               grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>& responder,
               grpc::ServerCompletionQueue& queue, Completion& tag);

 private:
  const std::vector<std::string> names_;
};

class UnaryCall final : public RpcCall {
 public:
  // Asks for a call of the method at `index` of `methods`, which the server has started with.
  UnaryCall(RpcCallHost& host, UnaryMethods& methods, size_t index);

  std::string_view method() const override { return methods_.name(index_); }
  void Read(absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> done) override;
  void Write(grpc::ByteBuffer message, absl::AnyInvocable<void(bool)> done) override;
  void Finish(absl::Status status, std::optional<grpc::ByteBuffer> message) override;

 private:
  void RequestNext() override;

  UnaryMethods& methods_;
  const size_t index_;
  grpc::ServerContext context_;
  grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> responder_{&context_};
  grpc::ByteBuffer message_;
  bool was_read_ = false;
};

}  // namespace tiffin
