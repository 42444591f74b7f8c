#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/session/executing_page.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/manual_clock.h"
#include "worker/runtime/call_queue.h"
#include "worker/runtime/peer.h"

namespace tiffin::worker {

// A session's peer without a session: the test is the gateway that reads its frames.
class TestPeer {
 public:
  explicit TestPeer(shm::PoolLimits limits = {.first_segment = 1 << 16, .largest_segment = 1 << 20},
                    Peer::Tensors tensors = Peer::Tensors::kShared)
      : peer_(std::make_shared<Peer>(
            /*session=*/7, limits, clock_,
            [this](const v1::Frames& message) {
              absl::MutexLock lock(&mutex_);
              listed_ = page_->executing();
              message_ = message;
              has_message_ = true;
              return session::FrameWriter::Progress::kStarted;
            },
            tensors)) {}

  // Peer and calls keep each other until one of them ends.
  ~TestPeer() { peer_->Close(); }
  TestPeer(const TestPeer&) = delete;
  TestPeer& operator=(const TestPeer&) = delete;

  const std::shared_ptr<Peer>& peer() const { return peer_; }
  ManualClock& clock() { return clock_; }
  session::ExecutingPage& page() { return *page_; }

  // The next frame, waiting for it.
  v1::Frame Next() {
    if (frames_.empty()) Receive(absl::Seconds(20));
    if (frames_.empty()) {
      ADD_FAILURE() << "no frame came";
      return {};
    }
    v1::Frame frame = std::move(frames_.front());
    frames_.pop_front();
    return frame;
  }
  // Calls were listed on the page when the last message was sent.
  bool listed_when_sent() {
    absl::MutexLock lock(&mutex_);
    return listed_;
  }
  // True if no frame waits.
  [[nodiscard]] bool Silent() {
    if (frames_.empty()) Receive(absl::ZeroDuration());
    return frames_.empty();
  }

  // A call of `method` with one input of uint8, known to the peer.
  std::shared_ptr<QueuedCall> MakeCall(uint64_t id, const MethodSignature& method,
                                       std::string input) {
    auto call = std::make_shared<QueuedCall>();
    call->peer = peer_;
    call->id = id;
    call->method = kDefaultMethod;
    call->signature = &method;
    auto bytes = std::make_shared<const std::string>(std::move(input));
    call->inputs.push_back({.dtype = method.inputs.front().type.dtype,
                            .shape = {static_cast<int64_t>(bytes->size())},
                            .bytes = AsBytes(*bytes)});
    call->holds.push_back(bytes);
    call->received = clock_.Now();
    call->deadline = absl::InfiniteFuture();
    EXPECT_TRUE(peer_->AddCall(id, call));
    return call;
  }

 private:
  void Receive(absl::Duration patience) {
    {
      absl::MutexLock lock(&mutex_);
      if (!mutex_.AwaitWithTimeout(absl::Condition(&has_message_), patience)) return;
      has_message_ = false;
      for (v1::Frame& frame : *message_.mutable_frames()) frames_.push_back(std::move(frame));
    }
    peer_->stream().OnWritten(true);  // Which may bring the next message.
  }

  ManualClock clock_;
  const std::unique_ptr<session::ExecutingPage> page_ = session::ExecutingPage::Create(8).value();
  absl::Mutex mutex_;
  v1::Frames message_ ABSL_GUARDED_BY(mutex_);
  bool has_message_ ABSL_GUARDED_BY(mutex_) = false;
  bool listed_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<v1::Frame> frames_;  // In the test's thread.
  const std::shared_ptr<Peer> peer_;
};

}  // namespace tiffin::worker
