#include "common/async/rpc_call.h"

#include <cstdio>
#include <cstdlib>

#include "grpc/support/time.h"

namespace tiffin {
namespace {

absl::Time ToMonotonic(gpr_timespec deadline, absl::Time now) {
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) {
    return absl::InfiniteFuture();
  }
  const gpr_timespec left = gpr_time_sub(gpr_convert_clock_type(deadline, GPR_CLOCK_MONOTONIC),
                                         gpr_now(GPR_CLOCK_MONOTONIC));
  return now + absl::Seconds(left.tv_sec) + absl::Nanoseconds(left.tv_nsec);
}

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

}  // namespace

RpcCall::RpcCall(RpcCallHost& host, grpc::ServerContext& context) : host_(host), context_(context) {
  host_.OnCreated();
}

RpcCall::~RpcCall() { host_.OnDestroyed(); }

std::optional<std::string_view> RpcCall::metadata(std::string_view key) const {
  const auto& metadata = context_.client_metadata();
  const auto found = metadata.find(grpc::string_ref(key.data(), key.size()));
  if (found == metadata.end()) return std::nullopt;
  return std::string_view(found->second.data(), found->second.size());
}

void RpcCall::AddTrailingMetadata(std::string key, std::string value) {
  context_.AddTrailingMetadata(key, value);
}

void RpcCall::OnCancelled(absl::AnyInvocable<void()> callback) {
  on_cancelled_callback_ = std::move(callback);
  if (!cancelled_) return;
  OperationStarts();
  host_.loop().Defer([this] { NotifyCancelled(); });
}

void RpcCall::Accepted(bool ok) {
  if (!ok) {  // The server is shutting down: nothing was accepted, and on_done_ never comes.
    delete this;
    return;
  }
  RequestNext();
  OperationStarts();  // on_done_
  deadline_ = ToMonotonic(context_.raw_deadline(), host_.loop().now());
  host_.OnAccepted(*this);
}

void RpcCall::Finished(bool /*ok*/) { OperationEnded(); }

void RpcCall::Done(bool /*ok*/) {
  cancelled_ = context_.IsCancelled();
  if (cancelled_ && on_cancelled_callback_ != nullptr) {
    NotifyCancelled();
  } else {
    OperationEnded();
  }
}

void RpcCall::NotifyCancelled() {
  auto callback = std::exchange(on_cancelled_callback_, nullptr);
  if (!finished_ && callback != nullptr) std::move(callback)();
  OperationEnded();
}

void RpcCall::OperationEnded() {
  if (--pending_ > 0 || !finished_) return;
  host_.OnFinished();
  delete this;
}

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
  writing_ = true;
  stream_.Write(message, &on_written_);
}

void StreamingCall::Written(bool ok) {
  writing_.exchange(false);  // Acquires what Write has left, in whatever thread.
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
  OperationStarts();
  if (status.ok() && message.has_value()) {
    stream_.WriteAndFinish(*message, grpc::WriteOptions(), grpc::Status::OK, &on_finished_);
  } else {
    stream_.Finish(ToGrpc(status), &on_finished_);
  }
}

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
  OperationStarts();
  if (status.ok()) {
    responder_.Finish(message.value(), grpc::Status::OK, &on_finished_);
  } else {
    responder_.FinishWithError(ToGrpc(status), &on_finished_);
  }
}

}  // namespace tiffin
