#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace tiffin::gateway {

// Whose turn it is to run a suspect: one at a time of a runner, whichever loop it is on, so that of
// two in the same worker none is blamed for the other. Thread-safe.
class TrialTurn {
 public:
  // The turn; destruction gives it back, and tells those that wait. Move-only; does not outlive it.
  class Held {
   public:
    explicit Held(TrialTurn& turn) : turn_(&turn) {}
    Held(Held&& other) noexcept : turn_(std::exchange(other.turn_, nullptr)) {}
    Held& operator=(Held&&) = delete;
    ~Held() {
      if (turn_ != nullptr) turn_->GiveBack();
    }

   private:
    TrialTurn* turn_;
  };

  // nullopt: somebody has it. Then `free` is called, once and from any thread, when that one has
  // given it back: it may be taken by then, so ask again.
  std::optional<Held> Take(absl::AnyInvocable<void()> free);

 private:
  void GiveBack();

  absl::Mutex mutex_;
  bool taken_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tiffin::gateway
