#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/shm/segment.h"

namespace tiffin::gateway {

// A child process that this process started. Destruction kills it if it still runs, and reaps it.
// Move-only.
class Process {
 public:
  // Runs `program` with `arguments` (without the program's own name) in a new process: stdin from
  // /dev/null, stdout and stderr ours, signals at their defaults, no descriptor of ours but
  // `lifeline`, which becomes descriptor kLifelineFd. By posix_spawn: no fork of a threaded
  // process.
  static absl::StatusOr<Process> Spawn(const std::string& program,
                                       const std::vector<std::string>& arguments, int lifeline);
  static constexpr int kLifelineFd = 3;

  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  ~Process();

  pid_t pid() const { return pid_; }
  // Readable once the process has ended.
  int pidfd() const { return pidfd_.get(); }
  void Signal(int signal) const;
  // How it ended ("exit code 2", "signal 11 (Segmentation fault)"), reaping it; nullopt while it
  // runs.
  struct Ending {
    std::string text;
    std::optional<int> exit_code;
  };
  std::optional<Ending> Reap();

 private:
  Process(pid_t pid, shm::UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}

  pid_t pid_ = -1;  // -1: reaped, or moved from.
  shm::UniqueFd pidfd_;
};

}  // namespace tiffin::gateway
