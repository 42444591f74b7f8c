#include "common/async/unsent_answers.h"

namespace tiffin {
namespace {

// A client that takes what it is sent has done so by then, unless it is a lot.
constexpr absl::Duration kFairTime = absl::Seconds(1);

}  // namespace

bool UnsentAnswers::Sending::Begin(UnsentAnswers& answers, grpc::ServerContext& context,
                                   uint64_t bytes) {
  End();
  const absl::Time now = answers.clock_.Now();
  const absl::MutexLock lock(&answers.mutex_);
  const uint64_t limit = answers.limits_.bytes;
  if (bytes > limit) return false;
  for (auto other = answers.answers_.begin();
       answers.bytes_ > limit - bytes && other != answers.answers_.end(); ++other) {
    if (now - other->since < kFairTime) return false;
    if (other->bytes > 0) answers.Cancel(*other);
  }
  answer_ = answers.answers_.insert(answers.answers_.end(),
                                    {.context = &context, .bytes = bytes, .since = now});
  answers.bytes_ += bytes;
  answers_ = &answers;
  return true;
}

void UnsentAnswers::Sending::End() {
  if (answers_ == nullptr) return;
  const absl::MutexLock lock(&answers_->mutex_);
  if (!answer_->cancelled) answers_->bytes_ -= answer_->bytes;
  answers_->answers_.erase(answer_);
  answers_ = nullptr;
}

void UnsentAnswers::CancelLate(absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  for (Answer& answer : answers_) {
    if (now - answer.since < limits_.time) return;
    Cancel(answer);
  }
}

// With the lock, which keeps the RPC from its end.
void UnsentAnswers::Cancel(Answer& answer) {
  if (answer.cancelled) return;
  answer.cancelled = true;
  bytes_ -= answer.bytes;
  answer.context->TryCancel();
}

}  // namespace tiffin
