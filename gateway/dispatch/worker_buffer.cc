#include "gateway/dispatch/worker_buffer.h"

#include "common/status_macros.h"
#include "gateway/dispatch/worker_session.h"

namespace tiffin::gateway {

ResultLease::~ResultLease() {
  if (bytes_ > 0 && *session_ != nullptr) (*session_)->ReleaseLater(call_, bytes_);
}

absl::StatusOr<std::span<const std::byte>> WorkerBuffer::Bytes() const {
  ASSIGN_OR_RETURN(const std::span<const std::byte> all, segment_->Map());
  return all.subspan(reference_.offset, reference_.size);
}

}  // namespace tiffin::gateway
