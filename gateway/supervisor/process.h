#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace tiffin::gateway {

// A child process that this process started. Destruction kills it if it still runs, and reaps it.
// Move-only.
class Process {
 public:
  // Descriptors of ours that the new process gets; they stay ours. -1: as the comment says.
  struct Descriptors {
    int in = -1;   // /dev/null
    int out = -1;  // our stdout
    int err = -1;  // our stderr
    // None. It becomes descriptor kLifelineFd. Who holds one ends with its other end, and not by a
    // terminal's Ctrl-C: the process gets a group of its own.
    int lifeline = -1;
  };
  static constexpr int kLifelineFd = 3;

  // Runs `program` with `arguments` (without the program's own name) in a new process, signals at
  // their defaults and without any other descriptor. With a lifeline, SIGUSR1 and SIGUSR2 are
  // blocked: they wait until the program is ready for them. By posix_spawn: no fork of a threaded
  // process.
  static absl::StatusOr<Process> Spawn(const std::string& program,
                                       const std::vector<std::string>& arguments,
                                       const Descriptors& descriptors);

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
    uint64_t peak_memory = 0;  // Bytes: the most that were resident, files that it maps included.
  };
  std::optional<Ending> Reap();

 private:
  Process(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}

  pid_t pid_ = -1;  // -1: reaped, or moved from.
  UniqueFd pidfd_;
};

}  // namespace tiffin::gateway
