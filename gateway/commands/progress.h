#pragma once

#include <functional>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace tiffin::gateway {

// Says on stderr what a command is waiting for, if it takes long: on a terminal a line that
// changes, elsewhere a line every few seconds. Lives as long as the wait; destruction removes the
// terminal's line.
class Progress {
 public:
  struct Rhythm {
    absl::Duration patience = absl::Seconds(2);  // Nothing is said before.
    absl::Duration terminal = absl::Milliseconds(500);
    absl::Duration lines = absl::Seconds(5);
  };

  // `describe` is called from a thread of this object's own; it says nothing while it is empty.
  explicit Progress(std::function<std::string()> describe)
      : Progress(std::move(describe), Rhythm{}) {}
  Progress(std::function<std::string()> describe, Rhythm rhythm);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void Run();

  const std::function<std::string()> describe_;
  const Rhythm rhythm_;
  absl::Notification ended_;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace tiffin::gateway
