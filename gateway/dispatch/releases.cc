#include "gateway/dispatch/releases.h"

#include <utility>

namespace tiffin::gateway {
namespace {

// A release goes by itself after this, if no frame took it along.
constexpr absl::Duration kReleaseDelay = absl::Milliseconds(5);
constexpr uint64_t kReleaseBytes = uint64_t{1} << 20;

}  // namespace

Releases::Releases(Loop& loop, absl::AnyInvocable<void()> flush)
    : loop_(loop), flush_(std::move(flush)) {}

void Releases::Add(uint64_t call, uint64_t bytes) {
  // Left as it is when a frame takes the releases along: under load most do, and setting a timer
  // for each may cost a wake-up.
  if (!std::exchange(timer_runs_, true)) {
    timer_ = loop_.At(loop_.now() + kReleaseDelay, [this] {
      timer_runs_ = false;
      if (!calls_.empty()) flush_();
    });
  }
  calls_.push_back(call);
  bytes_ += bytes;
  if (bytes_ >= kReleaseBytes) flush_();
}

void Releases::MoveTo(session::FrameWriter& writer) {
  if (calls_.empty()) return;
  writer.Add([&](worker::v1::Frame& frame) {
    frame.mutable_release()->mutable_calls()->Assign(calls_.begin(), calls_.end());
  });
  calls_.clear();
  bytes_ = 0;
}

void Releases::Close() {
  timer_.Cancel();
  calls_.clear();
}

}  // namespace tiffin::gateway
