#pragma once

#include "absl/time/time.h"

namespace tiffin::gateway {

// Whether a replica that nobody here can restart is left out for a while, because it failed again
// and again: for a second, then for twice as long with each failure after it came back, to a
// minute. Its owner has others in its place, or none. Not thread-safe.
class Ejection {
 public:
  // In a row.
  static constexpr int kFailures = 5;
  static constexpr absl::Duration kFirst = absl::Seconds(1);
  static constexpr absl::Duration kLongest = absl::Minutes(1);

  // It answered something that is no failure of its own.
  void OnSuccess(absl::Time now);
  // It lost its session, or answered UNAVAILABLE or INTERNAL. True: it is left out from now on.
  bool OnFailure(absl::Time now);
  bool ejected(absl::Time now) const { return now < until_; }
  absl::Time until() const { return until_; }

 private:
  int failures_ = 0;     // In a row, of those that count.
  absl::Duration last_;  // How long it was left out the last time; zero: it wasn't.
  absl::Time until_ = absl::InfinitePast();
};

}  // namespace tiffin::gateway
