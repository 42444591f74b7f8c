#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/async/loop.h"
#include "common/async/watcher.h"
#include "common/unique_fd.h"
#include "gateway/supervisor/process.h"

namespace tiffin::gateway {

// What to run as a worker. `--listen` and `--lifeline-fd` are added to the arguments.
struct WorkerCommand {
  std::string name;  // "digits.model_a" or "digits.model_a#1", for logs.
  std::string program;
  std::vector<std::string> arguments;
  // From a process's start until it listens; one that takes longer is killed.
  absl::Duration start_timeout = absl::InfiniteDuration();
};

// How much workers log.
enum class Detail { kAsConfigured, kMore };

// Who is told of a worker's lives. On the loop's thread.
class WorkerObserver {
 public:
  virtual ~WorkerObserver() = default;
  // A process of the worker's was started.
  virtual void OnStarted(pid_t /*pid*/) {}
  // The worker has loaded its model and listens at `path` and `path`.fd.
  virtual void OnListening(const std::string& path) = 0;
  // The process is reaped. `had_served`: see MarkServed. It is started again in any case, unless
  // the supervisor is stopping.
  virtual void OnExited(const Process::Ending& ending, bool had_served) = 0;
};

// How long a worker that died before it served waits for its next start: doubling, from 100 ms to
// 5 s.
absl::Duration RestartBackoff(int deaths_before_serving);

// Starts workers, watches them, and starts them again: at once if they had served, with a backoff
// if they died before. Each life gets a socket path of its own. On the loop's thread. Destruction
// kills what still runs.
class Supervisor {
 public:
  // `directory` holds the sockets. All outlive the supervisor. Opens the lifeline: workers end when
  // this process does, however it ends.
  static absl::StatusOr<std::unique_ptr<Supervisor>> Create(Loop& loop, Watcher& watcher,
                                                            std::filesystem::path directory);
  ~Supervisor();

  // Starts a worker. The observer outlives the supervisor.
  void Start(WorkerCommand command, WorkerObserver& observer);
  // The life that listens at `path` took its first session: its death is not one before it served.
  // News of a life that has ended meanwhile is ignored, here and in Replace.
  void MarkServed(const std::string& path);
  // Kills the process that listens at `path`; the worker is then started again like after any
  // death. False: that process was killed already, or has ended, or all are being stopped.
  bool Replace(const std::string& path);
  // Of the workers that run, and of those to come: SIGUSR1 tells them to log more, SIGUSR2 as
  // configured.
  void SetDetail(Detail detail);
  // SIGTERM to all, SIGKILL to those that still run after `grace`; `done` when all are reaped.
  void Stop(absl::Duration grace, absl::AnyInvocable<void()> done);

 private:
  //   starting -> listening -> served   its socket appeared; MarkServed
  //   served -> starting                it died: at once
  //   starting, listening -> waiting    it died, or took too long: with a backoff
  //   waiting -> starting
  struct Worker {
    WorkerCommand command;
    WorkerObserver* observer;
    std::string path;  // Of this life's socket.
    std::optional<Process> process;
    std::unique_ptr<Watcher::Watch> watch;
    bool listening = false;
    bool served = false;
    bool replaced = false;  // Killed by Replace.
    int deaths_before_serving = 0;
    Loop::Timer start_limit;
    Loop::Timer restart;
  };

  Supervisor(Loop& loop, Watcher& watcher, std::filesystem::path directory);
  absl::Status Open();
  void Spawn(Worker& worker);
  // Kills the process when it takes too long to listen.
  void LimitStart(Worker& worker);
  // Null: no process of this path runs.
  Worker* FindLife(const std::string& path);
  void OnEnded(Worker& worker);
  void OnSocketAppeared(const std::string& name);
  bool ReadInotify();
  // What is on its way to the loop when the supervisor goes is dropped there. From any thread.
  Loop::Task WhileAlive(Loop::Task task) const;
  void CheckStopped();

  Loop& loop_;
  Watcher& watcher_;
  // Touched on the loop's thread. Shared with what is on its way there.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  const std::filesystem::path directory_;
  UniqueFd lifeline_read_;
  UniqueFd lifeline_write_;  // Held open and never written.
  UniqueFd inotify_;
  std::unique_ptr<Watcher::Watch> inotify_watch_;
  std::vector<std::unique_ptr<Worker>> workers_;
  uint64_t lives_ = 0;
  Detail detail_ = Detail::kAsConfigured;
  bool stopping_ = false;
  absl::AnyInvocable<void()> stopped_;
  Loop::Timer kill_timer_;
};

}  // namespace tiffin::gateway
