#include "common/async/streaming_call.h"

namespace tiffin {

StreamingCall::StreamingCall(RpcCallHost& host, grpc::AsyncGenericService& service)
    : RpcCall(host, context_), service_(service) {
  context_.AsyncNotifyWhenDone(&on_done_);
  service_.RequestCall(&context_, &stream_, &host.queue(), &host.queue(), &on_accepted_);
}

void StreamingCall::RequestNext() { new StreamingCall(host(), service_); }

void StreamingCall::Read(absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> done) {
  read_done_ = std::move(done);
  OperationStarts();
  stream_.Read(&read_buffer_, &on_read_);
}

void StreamingCall::ReadDone(bool ok) {
  auto done = std::exchange(read_done_, nullptr);
  if (!finished() && done != nullptr) {
    if (ok) {
      std::move(done)(std::move(read_buffer_));
    } else {
      std::move(done)(std::nullopt);
    }
  }
  OperationEnded();
}

void StreamingCall::Write(grpc::ByteBuffer message, absl::AnyInvocable<void(bool)> done) {
  write_done_ = std::move(done);
  OperationStarts();
  if (!SendingBegins(message)) context_.TryCancel();  // Then the write fails.
  writing_ = true;
  stream_.Write(message, &on_written_);
}

void StreamingCall::Written(bool ok) {
  writing_.exchange(false);  // Acquires what Write has left, in whatever thread.
  SendingEnded();
  auto done = std::exchange(write_done_, nullptr);
  if (deferred_finish_.has_value()) {
    auto [status, message] = *std::exchange(deferred_finish_, std::nullopt);
    Finish(std::move(status), std::move(message));
  } else if (done != nullptr) {
    std::move(done)(ok);
  }
  OperationEnded();
}

void StreamingCall::Finish(absl::Status status, std::optional<grpc::ByteBuffer> message) {
  SetFinished();
  if (writing_) {  // gRPC takes one write at a time; its completion comes back here.
    deferred_finish_.emplace(std::move(status), std::move(message));
    return;
  }
  if (status.ok() && message.has_value() && !SendingBegins(*message)) status = NoRoom();
  OperationStarts();
  if (status.ok() && message.has_value()) {
    stream_.WriteAndFinish(*message, grpc::WriteOptions(), grpc::Status::OK, &on_finished_);
  } else {
    stream_.Finish(ToGrpc(status), &on_finished_);
  }
}

}  // namespace tiffin
