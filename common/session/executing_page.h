#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/shm/segment.h"

// What a worker leaves behind of its last moment: the calls that it was executing, and whether it
// ended by its own doing. It writes them into a page that the gateway maps, too, and reads after
// the worker's death.
namespace tiffin::session {

// Announces the page, as if it were a segment, on the session's descriptor socket.
inline constexpr uint64_t kExecutingPage = ~uint64_t{0};

// A call, by the session that it came with and its id there.
struct ExecutingCall {
  uint64_t session = 0;
  uint64_t call = 0;
};

// The worker's side. Thread-safe; RecordFault is async-signal-safe too.
class ExecutingPage {
 public:
  // With room for `calls` at the same time, of which there may be more all the same: then the page
  // says of every call that it executes. RESOURCE_EXHAUSTED when there is no memory.
  static absl::StatusOr<std::unique_ptr<ExecutingPage>> Create(size_t calls);
  ExecutingPage(const ExecutingPage&) = delete;
  ExecutingPage& operator=(const ExecutingPage&) = delete;

  // kYes: one that is suspect, and is run alone to see what comes of it.
  enum class Trial { kNo, kYes };

  // Calls on the page; destruction takes them off. Must not outlive the page.
  class Listing {
   public:
    Listing(Listing&& other) noexcept;
    Listing& operator=(Listing&&) = delete;
    ~Listing();

   private:
    friend class ExecutingPage;
    Listing(ExecutingPage& page, Trial trial) : page_(&page), trial_(trial) {}

    ExecutingPage* page_;  // Null once moved from.
    Trial trial_;
    absl::InlinedVector<uint32_t, 4> slots_;
    uint64_t unlisted_ = 0;
  };
  [[nodiscard]] Listing List(std::span<const ExecutingCall> calls, Trial trial = Trial::kNo);

  // The process is about to end by its own doing: `cause` is a signal's number, or kExited.
  void RecordFault(uint32_t cause);
  static constexpr uint32_t kExited = 1000;

  bool executing() const;
  int fd() const { return segment_.fd(); }
  uint64_t size() const { return segment_.size(); }

 private:
  explicit ExecutingPage(shm::OwnedSegment segment);

  shm::OwnedSegment segment_;
  mutable absl::Mutex mutex_;
  std::vector<uint32_t> free_slots_ ABSL_GUARDED_BY(mutex_);
  size_t listed_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The gateway's side, of a page that nobody need trust: `bytes` are a worker's.
class ExecutingPageView {
 public:
  // INVALID_ARGUMENT if that can't be a page.
  static absl::StatusOr<ExecutingPageView> Create(std::span<const std::byte> bytes);

  // Why the worker ended by its own doing, as RecordFault had it; 0: it didn't.
  uint32_t fault() const;
  // The call executes, or did when its worker died.
  bool Lists(const ExecutingCall& call) const;
  // So does one on trial, of whichever session.
  bool ListsTrial() const;

 private:
  explicit ExecutingPageView(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> bytes_;
};

}  // namespace tiffin::session
