#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "common/shm/reference.h"
#include "gateway/dispatch/segments.h"
#include "gateway/metrics/instruments.h"

namespace tiffin::gateway {

class WorkerSession;

// The outputs of one result in a worker's segments; given back, exactly once, when nothing refers
// to them any more. A result without any needs no release. On the loop's thread.
class ResultLease {
 public:
  // `session` is null once the session is gone: then there is nobody to release to.
  ResultLease(std::shared_ptr<WorkerSession*> session, uint64_t call)
      : session_(std::move(session)), call_(call) {}
  ~ResultLease();
  ResultLease(const ResultLease&) = delete;
  ResultLease& operator=(const ResultLease&) = delete;

  // It has outputs of so many bytes. Once, while the session is there.
  void Hold(uint64_t bytes);

 private:
  const std::shared_ptr<WorkerSession*> session_;
  const uint64_t call_;
  uint64_t bytes_ = 0;
  metrics::Held counted_;
  metrics::Held counted_bytes_;
};

// A worker's output, where it lies.
class WorkerBuffer : public SegmentBuffer {
 public:
  // `reference` was checked against the segment. Segment and lease are shared with the other
  // outputs of the result, and of others.
  WorkerBuffer(std::shared_ptr<WorkerSegment> segment, std::shared_ptr<const ResultLease> lease,
               shm::Reference reference)
      : segment_(std::move(segment)), lease_(std::move(lease)), reference_(std::move(reference)) {}

  absl::StatusOr<std::span<const std::byte>> Bytes() const override;
  uint64_t size() const override { return reference_.size; }
  uint64_t offset() const override { return reference_.offset; }
  SegmentName segment() const override { return segment_->name(); }

 private:
  const std::shared_ptr<WorkerSegment> segment_;
  const std::shared_ptr<const ResultLease> lease_;
  const shm::Reference reference_;
};

}  // namespace tiffin::gateway
