#include "worker/runtime/call_queue.h"

#include <utility>

namespace tiffin::worker {

void EndCall(QueuedCall& call, const absl::Status& status) {
  call.peer->RemoveCall(call.id);
  call.peer->calls().Add([&](v1::Frame& frame) {
    v1::Result& result = *frame.mutable_result();
    result.set_call(call.id);
    result.set_code(static_cast<uint32_t>(status.code()));
    result.set_message(std::string(status.message()));
  });
  call.peer->calls().Flush();
}

void CallQueue::Push(std::shared_ptr<QueuedCall> call) {
  absl::MutexLock lock(&mutex_);
  calls_.push_back(std::move(call));
}

std::shared_ptr<QueuedCall> CallQueue::Pop() {
  absl::MutexLock lock(&mutex_);
  const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return closed_ || !calls_.empty();
  };
  mutex_.Await(absl::Condition(&something));
  if (calls_.empty()) return nullptr;
  std::shared_ptr<QueuedCall> call = std::move(calls_.front());
  calls_.pop_front();
  return call;
}

void CallQueue::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

size_t CallQueue::size() const {
  absl::MutexLock lock(&mutex_);
  return calls_.size();
}

}  // namespace tiffin::worker
