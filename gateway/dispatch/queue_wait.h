#pragma once

#include <array>
#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace tiffin::gateway {

// How long a queue keeps who joins it, judged by how fast it was worked off lately with about as
// many in it. Workers that put calls together are faster the more there are: so of a length that
// nothing is known of, a longer queue's pace is the best that can be hoped for, and a shorter one's
// says nothing. Thread-safe.
class QueueWait {
 public:
  // What was measured longer ago is not believed any more: then calls are let in, and show.
  static constexpr absl::Duration kBelieved = absl::Seconds(1);
  static constexpr int kLeastMeasurements = 8;
  // Of the mean wait for those before it, a call is told that one part in so many may come on top:
  // in an overload all that are let in have just the time that was predicted, and with the mean
  // alone those that take longer than it would be late.
  static constexpr int kMargin = 8;

  // A call was worked off, of `waiting` with itself. It began no earlier than it `joined`, however
  // long ago the last one left: what passed before was nobody's work.
  void Leave(size_t waiting, absl::Time joined, absl::Time now);

  // Nobody could be worked off for a while, for a reason that has passed: what is measured from now
  // on counts, and nothing else.
  void BeginAnew(absl::Time now);

  // Until one that joins `waiting` others now will have been worked off. Zero: nobody knows.
  absl::Duration Predict(size_t waiting, absl::Time now) const;

 private:
  // Of lengths from a power of two to the next.
  struct Pace {
    int measurements = 0;
    absl::Duration
        gap;  // Between two calls that leave; the mean, in which the last ones weigh most.
    absl::Time measured;
  };

  // Of the length itself, or else of the next longer one that is known; null: of none.
  const Pace* Known(size_t length, absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::array<Pace, 32> paces_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();  // When a call left.
};

}  // namespace tiffin::gateway
