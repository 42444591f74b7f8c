#include "gateway/dispatch/worker_buffer.h"

#include "common/status_macros.h"
#include "gateway/dispatch/worker_session.h"

namespace tiffin::gateway {

ResultLease::~ResultLease() {
  if (bytes_ > 0 && *session_ != nullptr) (*session_)->ReleaseLater(call_, bytes_);
}

void ResultLease::Hold(uint64_t bytes) {
  bytes_ = bytes;
  metrics::ReplicaMetrics& metrics = (*session_)->metrics();
  counted_ = metrics::Held(metrics.leases);
  counted_bytes_ = metrics::Held(metrics.leased_bytes, static_cast<int64_t>(bytes));
}

absl::StatusOr<std::span<const std::byte>> WorkerBuffer::Bytes() const {
  ASSIGN_OR_RETURN(const std::span<const std::byte> all, segment_->Map());
  return all.subspan(reference_.offset, reference_.size);
}

}  // namespace tiffin::gateway
