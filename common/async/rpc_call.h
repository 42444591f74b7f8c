#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/async/loop.h"
#include "common/async/rpc.h"
#include "common/async/unsent_answers.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"

namespace tiffin {

// What a call needs of its server, which outlives it.
class RpcCallHost {
 public:
  virtual ~RpcCallHost() = default;
  virtual Loop& loop() = 0;
  virtual grpc::ServerCompletionQueue& queue() = 0;
  virtual UnsentAnswers& unsent() = 0;
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

  std::string peer() const final { return context_.peer(); }
  std::optional<std::string_view> metadata(std::string_view key) const final;
  std::vector<std::string_view> metadata_values(std::string_view key) const final;
  absl::Time deadline() const final { return deadline_; }
  void AddTrailingMetadata(std::string key, std::string value) final;
  void OnCancelled(absl::AnyInvocable<void()> callback) final;

 protected:
  static grpc::Status ToGrpc(const absl::Status& status);

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
  // Before gRPC is given a message to send. False: there is no room for it.
  [[nodiscard]] bool SendingBegins(const grpc::ByteBuffer& message) {
    return sending_.Begin(host_.unsent(), context_, message.Length());
  }
  void SendingEnded() { sending_.End(); }
  static absl::Status NoRoom();
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
  UnsentAnswers::Sending sending_;
};

}  // namespace tiffin
