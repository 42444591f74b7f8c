#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/session/descriptor_channel.h"
#include "common/session/frame_writer.h"
#include "common/shm/segment_budget.h"
#include "common/shm/segment_pool.h"

namespace tiffin::worker {

struct QueuedCall;

// What a session's calls need until their end, which may come after the session's: the way back for
// results, the segments that outputs lie in, and which calls there are. Shared by the session and
// its calls. Thread-safe: the loop and the threads that execute use it.
class Peer : private shm::SegmentBudget::Sharer {
 public:
  // kInline: nothing is shared with the gateway; outputs lie in segments that nobody else sees,
  // until they were sent.
  enum class Tensors { kShared, kInline };
  Peer(uint64_t session, shm::PoolLimits limits, const Clock& clock,
       session::FrameWriter::StartWrite start_write, Tensors tensors = Tensors::kShared);
  ~Peer() override;

  uint64_t session() const { return session_; }
  Tensors tensors() const { return tensors_; }
  // The stream's.
  session::FrameWriter& stream() { return stream_; }
  // For frames that name calls or segments: the stream's, or the express lane's once it is there.
  // Nothing has to be said before: calls come by it too.
  session::FrameWriter& calls() { return *call_frames_; }
  // A call's result, where it has no outputs.
  void SendError(uint64_t call, const absl::Status& status);
  // The gateway wants none of a call's outputs: what was not sent of them isn't, which it is told.
  // Where they are kShared, none are sent.
  void StopOutputs(uint64_t call);

  // Memory for an output, free again when it was given back `holders` times. A new segment is
  // announced first. RESOURCE_EXHAUSTED when full: what other peers have free makes room.
  absl::StatusOr<shm::Allocation> Allocate(uint64_t size, size_t holders = 1);
  void Free(const shm::Allocation& allocation);
  // The outputs of a call stay until the gateway releases it: that gives them back.
  void Lease(uint64_t call, std::vector<shm::Allocation> outputs);
  void Release(uint64_t call);
  // Segments without use for a while are dropped, and the gateway is told.
  void DropIdleSegments();

  // Once. Segments made before are announced at once.
  enum class Express { kNo, kYes };
  void SetDescriptors(std::unique_ptr<session::DescriptorChannel> channel, Express express);

  // False if the gateway used the id already.
  bool AddCall(uint64_t id, std::shared_ptr<QueuedCall> call);
  std::shared_ptr<QueuedCall> FindCall(uint64_t id);
  void RemoveCall(uint64_t id);

  // The session is over: nothing is sent any more, calls that wait never execute, and the segments
  // are retired: their bytes are not reused, for a late reader may still look at them.
  void Close();

 private:
  absl::StatusOr<shm::Allocation> TryAllocate(uint64_t size, size_t holders);
  void DropFree() override;
  void AnnounceNewSegments() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FreeLocked(const shm::Allocation& allocation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint64_t session_;
  const Tensors tensors_;
  shm::SegmentBudget* const shared_;  // May be null.
  session::FrameWriter stream_;
  std::atomic<session::FrameWriter*> call_frames_ = &stream_;  // Set once.

  absl::Mutex mutex_;
  shm::SegmentPool pool_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<session::DescriptorChannel> descriptors_ ABSL_GUARDED_BY(mutex_);
  // By segment and offset: how many hold an allocation, where that is more than one.
  absl::flat_hash_map<std::pair<uint64_t, uint64_t>, size_t> holders_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, std::vector<shm::Allocation>> leases_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, std::shared_ptr<QueuedCall>> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tiffin::worker
