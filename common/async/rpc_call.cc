#include "common/async/rpc_call.h"

#include <string>
#include <utility>

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

}  // namespace

grpc::Status RpcCall::ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

absl::Status RpcCall::NoRoom() {
  return absl::ResourceExhaustedError(
      "the server holds as many bytes of answers as it may, which clients don't take; try again");
}

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

std::vector<std::string_view> RpcCall::metadata_values(std::string_view key) const {
  const auto [begin, end] =
      context_.client_metadata().equal_range(grpc::string_ref(key.data(), key.size()));
  std::vector<std::string_view> values;
  for (auto value = begin; value != end; ++value) {
    values.emplace_back(value->second.data(), value->second.size());
  }
  return values;
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

void RpcCall::Finished(bool /*ok*/) {
  SendingEnded();
  OperationEnded();
}

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

}  // namespace tiffin
