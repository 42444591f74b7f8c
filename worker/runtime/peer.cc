#include "worker/runtime/peer.h"

#include <utility>

#include "common/status_macros.h"
#include "worker/runtime/queued_call.h"

namespace tiffin::worker {

Peer::Peer(uint64_t session, shm::PoolLimits limits, const Clock& clock,
           session::FrameWriter::StartWrite start_write, Tensors tensors)
    : session_(session),
      tensors_(tensors),
      shared_(limits.shared),
      stream_(session::FrameWriter::Initially::kWritable, std::move(start_write)),
      pool_(limits, clock) {
  if (shared_ != nullptr) shared_->Join(*this);
}

Peer::~Peer() {
  if (shared_ != nullptr) shared_->Leave(*this);
}

void Peer::SendError(uint64_t call, const absl::Status& status) {
  calls().Add([&](v1::Frame& frame) {
    v1::Result& result = *frame.mutable_result();
    result.set_call(call);
    result.set_code(static_cast<uint32_t>(status.code()));
    result.set_message(std::string(status.message()));
  });
  calls().Flush();
}

void Peer::StopOutputs(uint64_t call) {
  if (!stream_.DropPieces(call)) return;
  stream_.Add([&](v1::Frame& frame) { frame.mutable_pieces_stopped()->set_call(call); });
  stream_.Flush();
}

absl::StatusOr<shm::Allocation> Peer::Allocate(uint64_t size, size_t holders) {
  absl::StatusOr<shm::Allocation> allocation = TryAllocate(size, holders);
  if (!absl::IsResourceExhausted(allocation.status()) || shared_ == nullptr) return allocation;
  shared_->AskOthers(*this);
  return TryAllocate(size, holders);
}

void Peer::DropFree() {
  absl::MutexLock lock(&mutex_);
  pool_.DropFree();
}

absl::StatusOr<shm::Allocation> Peer::TryAllocate(uint64_t size, size_t holders) {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(shm::Allocation allocation, pool_.Allocate(size));
  if (holders > 1) holders_[{allocation.segment, allocation.offset}] = holders;
  AnnounceNewSegments();
  return allocation;
}

void Peer::AnnounceNewSegments() {
  if (descriptors_ == nullptr || closed_) return;
  for (const shm::SegmentPool::NewSegment& made : pool_.TakeNewSegments()) {
    descriptors_->Announce({.session = session_, .segment = made.index, .size = made.size},
                           made.fd);
  }
}

void Peer::Free(const shm::Allocation& allocation) {
  absl::MutexLock lock(&mutex_);
  if (!closed_) FreeLocked(allocation);
}

void Peer::FreeLocked(const shm::Allocation& allocation) {
  if (const auto held = holders_.find({allocation.segment, allocation.offset});
      held != holders_.end()) {
    if (--held->second > 0) return;
    holders_.erase(held);
  }
  pool_.Free(allocation);
}

void Peer::Lease(uint64_t call, std::vector<shm::Allocation> outputs) {
  absl::MutexLock lock(&mutex_);
  leases_[call] = std::move(outputs);
}

void Peer::Release(uint64_t call) {
  absl::MutexLock lock(&mutex_);
  const auto lease = leases_.find(call);
  if (lease == leases_.end() || closed_) return;
  for (const shm::Allocation& allocation : lease->second) FreeLocked(allocation);
  leases_.erase(lease);
}

void Peer::DropIdleSegments() {
  std::vector<uint64_t> dropped;
  {
    absl::MutexLock lock(&mutex_);
    if (!closed_) dropped = pool_.DropIdle();
  }
  for (const uint64_t segment : dropped) {
    calls().Add([&](v1::Frame& frame) { frame.mutable_segment_gone()->set_segment(segment); });
  }
  if (!dropped.empty()) calls().Flush();
}

void Peer::SetDescriptors(std::unique_ptr<session::DescriptorChannel> channel, Express express) {
  absl::MutexLock lock(&mutex_);
  descriptors_ = std::move(channel);
  if (express == Express::kYes) call_frames_ = &descriptors_->frames();
  AnnounceNewSegments();
}

bool Peer::AddCall(uint64_t id, std::shared_ptr<QueuedCall> call) {
  absl::MutexLock lock(&mutex_);
  return !leases_.contains(id) && calls_.emplace(id, std::move(call)).second;
}

std::shared_ptr<QueuedCall> Peer::FindCall(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  const auto call = calls_.find(id);
  return call == calls_.end() ? nullptr : call->second;
}

void Peer::RemoveCall(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  calls_.erase(id);
}

void Peer::Close() {
  stream_.Close();
  absl::flat_hash_map<uint64_t, std::shared_ptr<QueuedCall>> calls;
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    calls.swap(calls_);
    // Its end of file tells the gateway that nothing of this session is read any more: the socket
    // stays open until the last call lets go of this peer.
    if (descriptors_ != nullptr) descriptors_->Retire();
  }
  for (auto& [id, call] : calls) {
    call->cancelled = true;
    call->Take(QueuedCall::State::kDropped);
  }
}

}  // namespace tiffin::worker
