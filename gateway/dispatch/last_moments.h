#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "common/session/executing_page.h"
#include "common/shm/segment.h"
#include "gateway/dispatch/interruption.h"
#include "gateway/dispatch/oom_kills.h"

namespace tiffin::gateway {

// What a worker leaves behind of its last moments, and what follows from it for its calls. Owned by
// a session; on the loop's thread.
class LastMoments {
 public:
  // `oom_kills`: those that the worker may be one of; null where nobody counts them.
  explicit LastMoments(OomKills* oom_kills)
      : oom_kills_(oom_kills), counted_before_(oom_kills == nullptr ? 0 : oom_kills->now()) {}

  // The page that the worker lists executing calls on. An error: it is a second one, or none.
  absl::Status TakePage(shm::ForeignSegment segment);
  // The worker's State came.
  void OnState();

  // What it ended of by its own doing; empty: it didn't, as far as is known.
  std::string OwnDoing() const;

  struct Circumstances {
    bool own_doing = false;
    bool on_trial = false;
    // Whatever the worker had begun to execute, and answered, is known: what is neither answered
    // nor listed waited, and won't be executed any more.
    bool answers_known = false;
  };
  // How far a call that was not answered had come.
  Interruption HowFar(const session::ExecutingCall& call, const Circumstances& of) const;

 private:
  OomKills* const oom_kills_;
  uint64_t counted_before_;  // The last State, which no killed one sends.
  std::optional<shm::ForeignSegment> page_segment_;
  std::optional<session::ExecutingPageView> page_;  // Of page_segment_. None until it has come.
};

}  // namespace tiffin::gateway
