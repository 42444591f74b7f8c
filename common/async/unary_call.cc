#include "common/async/unary_call.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace tiffin {

UnaryMethods::UnaryMethods(std::vector<std::string> names) : names_(std::move(names)) {
  for (size_t i = 0; i < names_.size(); ++i) {
    AddMethod(new grpc::internal::RpcServiceMethod(
        names_[i].c_str(), grpc::internal::RpcMethod::NORMAL_RPC, /*handler=*/nullptr));
    MarkMethodRaw(static_cast<int>(i));
  }
}

void UnaryMethods::Request(size_t index, grpc::ServerContext& context, grpc::ByteBuffer& message,
                           grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>& responder,
                           grpc::ServerCompletionQueue& queue, Completion& tag) {
  RequestAsyncUnary(static_cast<int>(index), &context, &message, &responder, &queue, &queue, &tag);
}

UnaryCall::UnaryCall(RpcCallHost& host, UnaryMethods& methods, size_t index)
    : RpcCall(host, context_), methods_(methods), index_(index) {
  context_.AsyncNotifyWhenDone(&on_done_);
  methods_.Request(index_, context_, message_, responder_, host.queue(), on_accepted_);
}

void UnaryCall::RequestNext() { new UnaryCall(host(), methods_, index_); }

void UnaryCall::Read(absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> done) {
  OperationStarts();
  host().loop().Defer([this, done = std::move(done)]() mutable {
    if (!finished()) {
      std::optional<grpc::ByteBuffer> message;
      if (!std::exchange(was_read_, true)) message = std::move(message_);
      std::move(done)(std::move(message));
    }
    OperationEnded();
  });
}

void UnaryCall::Write(grpc::ByteBuffer /*message*/, absl::AnyInvocable<void(bool)> /*done*/) {
  std::fputs("tiffin: a unary method answers by Finish alone\n", stderr);
  std::abort();
}

void UnaryCall::Finish(absl::Status status, std::optional<grpc::ByteBuffer> message) {
  SetFinished();
  if (status.ok() && !SendingBegins(message.value())) status = NoRoom();
  OperationStarts();
  if (status.ok()) {
    responder_.Finish(message.value(), grpc::Status::OK, &on_finished_);
  } else {
    responder_.FinishWithError(ToGrpc(status), &on_finished_);
  }
}

}  // namespace tiffin
