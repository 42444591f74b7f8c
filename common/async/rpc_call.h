#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/async/loop.h"
#include "common/async/rpc.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/async_stream.h"
#include "grpcpp/support/async_unary_call.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin {

// What a call needs of its server, which outlives it.
class RpcCallHost {
 public:
  virtual ~RpcCallHost() = default;
  virtual Loop& loop() = 0;
  virtual grpc::ServerCompletionQueue& queue() = 0;
  // A client's RPC has come in, and is to be handled. On the loop's thread.
  virtual void OnAccepted(Rpc& rpc) = 0;
  // An accepted one is finished. On the loop's thread.
  virtual void OnFinished() = 0;
  // Of a call's own life, accepted or not. From any thread.
  virtual void OnCreated() = 0;
  virtual void OnDestroyed() = 0;
};

// The server's side of one RPC, from asking gRPC for it to its end. Deletes itself when it is
// finished and no operation of it is pending any more. Derived classes say how its messages move.
class RpcCall : public Rpc {
 public:
  RpcCall(RpcCallHost& host, grpc::ServerContext& context);
  ~RpcCall() override;

  std::optional<std::string_view> metadata(std::string_view key) const final;
  absl::Time deadline() const final { return deadline_; }
  void AddTrailingMetadata(std::string key, std::string value) final;
  void OnCancelled(absl::AnyInvocable<void()> callback) final;

 protected:
  // Forwards an operation's completion to a member function.
  template <typename Call>
  class Op final : public Completion {
   public:
    Op(Call& call, void (Call::*handler)(bool)) : call_(call), handler_(handler) {}
    void OnComplete(bool ok) override { (call_.*handler_)(ok); }

   private:
    Call& call_;
    void (Call::*const handler_)(bool);
  };

  RpcCallHost& host() { return host_; }
  bool finished() const { return finished_; }
  void SetFinished() { finished_ = true; }
  // Of what will come back to the loop, and ends with OperationEnded.
  void OperationStarts() { ++pending_; }
  void OperationEnded();

  // Asks gRPC for another one of its kind.
  virtual void RequestNext() = 0;

  // For the RPC's acceptance, its end (to be asked for before that), and its last message's.
  Op<RpcCall> on_accepted_{*this, &RpcCall::Accepted};
  Op<RpcCall> on_done_{*this, &RpcCall::Done};
  Op<RpcCall> on_finished_{*this, &RpcCall::Finished};

 private:
  void Accepted(bool ok);
  void Finished(bool ok);
  void Done(bool ok);
  void NotifyCancelled();

  RpcCallHost& host_;
  grpc::ServerContext& context_;  // The derived class's.
  absl::Time deadline_ = absl::InfiniteFuture();
  absl::AnyInvocable<void()> on_cancelled_callback_;
  // Operations that will still come back. Atomic: Write may come from a thread that isn't the
  // loop's.
  std::atomic<int> pending_ = 0;
  bool finished_ = false;
  bool cancelled_ = false;
};

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

// Methods known by name that take one message and answer one. gRPC hands over such a call with its
// message, which saves an operation, and a wait for it, of three.
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
