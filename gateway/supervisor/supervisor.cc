#include "gateway/supervisor/supervisor.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/log/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/unique_fd.h"

namespace tiffin::gateway {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(100);
constexpr absl::Duration kLastBackoff = absl::Seconds(5);
// A timer that itself ran this late judges nobody.
constexpr absl::Duration kLate = absl::Milliseconds(500);
constexpr std::string_view kDescriptorSuffix = ".fd";

}  // namespace

absl::Duration RestartBackoff(int deaths_before_serving) {
  absl::Duration backoff = kFirstBackoff;
  for (int i = 1; i < deaths_before_serving && backoff < kLastBackoff; ++i) backoff *= 2;
  return std::min(backoff, kLastBackoff);
}

absl::StatusOr<std::unique_ptr<Supervisor>> Supervisor::Create(Loop& loop, Watcher& watcher,
                                                               std::filesystem::path directory) {
  std::unique_ptr<Supervisor> supervisor(new Supervisor(loop, watcher, std::move(directory)));
  RETURN_IF_ERROR(supervisor->Open());
  return supervisor;
}

Supervisor::Supervisor(Loop& loop, Watcher& watcher, std::filesystem::path directory)
    : loop_(loop), watcher_(watcher), directory_(std::move(directory)) {}

Supervisor::~Supervisor() { *alive_ = false; }

Loop::Task Supervisor::WhileAlive(Loop::Task task) const {
  return [alive = alive_, task = std::move(task)]() mutable {
    if (*alive) std::move(task)();
  };
}

absl::Status Supervisor::Open() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::InternalError(StrCat("pipe2: ", strerror(errno)));
  }
  lifeline_read_ = UniqueFd(ends[0]);
  lifeline_write_ = UniqueFd(ends[1]);
  inotify_ = UniqueFd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify_.valid() || inotify_add_watch(inotify_.get(), directory_.c_str(), IN_CREATE) < 0) {
    return absl::InternalError(StrCat("inotify on ", directory_.native(), ": ", strerror(errno)));
  }
  inotify_watch_ =
      watcher_.Add(inotify_.get(), Watcher::Interest::kReadable, [this] { return ReadInotify(); });
  return absl::OkStatus();
}

// On the watcher's thread.
bool Supervisor::ReadInotify() {
  alignas(inotify_event) char buffer[4096];
  while (true) {
    const ssize_t size = read(inotify_.get(), buffer, sizeof(buffer));
    if (size <= 0) return true;
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      if (event->len == 0) continue;
      loop_.Post(WhileAlive([this, name = std::string(event->name)] { OnSocketAppeared(name); }));
    }
  }
}

void Supervisor::Start(WorkerCommand command, WorkerObserver& observer) {
  workers_.push_back(std::make_unique<Worker>());
  Worker& worker = *workers_.back();
  worker.command = std::move(command);
  worker.observer = &observer;
  Spawn(worker);
}

void Supervisor::Spawn(Worker& worker) {
  // Short: a Unix socket's path has 107 bytes.
  worker.path = (directory_ / StrCat("w", ++lives_)).native();
  worker.listening = false;
  worker.served = false;
  worker.replaced = false;
  std::vector<std::string> arguments = worker.command.arguments;
  arguments.insert(arguments.end(), {"--listen", StrCat("unix:", worker.path), "--lifeline-fd",
                                     std::to_string(Process::kLifelineFd)});
  auto process =
      Process::Spawn(worker.command.program, arguments, {.lifeline = lifeline_read_.get()});
  if (!process.ok()) {
    log::Write(log::Level::kError, "worker_failed",
               StrCat(worker.command.name, ": ", Message(process.status())),
               {{"worker", worker.command.name}, {"error", Message(process.status())}});
    loop_.Defer(WhileAlive([this, &worker] {
      if (stopping_) return;
      worker.observer->OnExited({.text = "could not be started", .exit_code = std::nullopt},
                                /*had_served=*/false);
      worker.restart = loop_.At(loop_.now() + RestartBackoff(++worker.deaths_before_serving),
                                [this, &worker] { Spawn(worker); });
    }));
    return;
  }
  worker.process.emplace(*std::move(process));
  // One that has not come far yet finds it waiting.
  if (detail_ == Detail::kMore) worker.process->Signal(SIGUSR1);
  worker.observer->OnStarted(worker.process->pid());
  worker.watch =
      watcher_.Add(worker.process->pidfd(), Watcher::Interest::kReadable, [this, &worker] {
        loop_.Post(WhileAlive([this, &worker] { OnEnded(worker); }));
        return false;
      });
  LimitStart(worker);
}

void Supervisor::LimitStart(Worker& worker) {
  const absl::Time due = loop_.now() + worker.command.start_timeout;
  worker.start_limit = loop_.At(due, [this, &worker, due] {
    if (loop_.now() - due > kLate) {
      LimitStart(worker);  // We were asleep ourselves, and perhaps it was too.
      return;
    }
    if (!Replace(worker.path)) return;
    const pid_t pid = worker.process->pid();
    const std::string limit = absl::FormatDuration(worker.command.start_timeout);
    log::Write(log::Level::kError, "worker_replaced",
               StrCat("worker ", worker.command.name, " (pid ", pid, ") is not ready after ", limit,
                      ", its start_timeout: replacing it"),
               {{"worker", worker.command.name}, {"pid", pid}, {"start_timeout", limit}});
  });
}

void Supervisor::OnSocketAppeared(const std::string& name) {
  // The descriptor socket comes last: then both are there.
  for (const auto& worker : workers_) {
    if (StrCat(worker->path, kDescriptorSuffix) != (directory_ / name).native()) continue;
    if (!worker->process.has_value() || std::exchange(worker->listening, true)) return;
    worker->start_limit.Cancel();
    worker->observer->OnListening(worker->path);
    return;
  }
}

void Supervisor::OnEnded(Worker& worker) {
  const pid_t pid = worker.process->pid();
  const std::optional<Process::Ending> ending = worker.process->Reap();
  if (!ending.has_value()) return;
  worker.watch.reset();
  worker.process.reset();
  worker.start_limit.Cancel();
  // The next life has another path; nobody else removes what a killed one leaves.
  std::error_code ignored;
  std::filesystem::remove(worker.path, ignored);
  std::filesystem::remove(StrCat(worker.path, kDescriptorSuffix), ignored);
  std::filesystem::remove(StrCat(worker.path, ".lock"), ignored);
  const bool had_served = std::exchange(worker.served, false);
  if (stopping_) {
    worker.observer->OnExited(*ending, had_served);
    CheckStopped();
    return;
  }
  log::Write(log::Level::kError, "worker_ended",
             StrCat("worker ", worker.command.name, " (pid ", pid, ") ended: ", ending->text),
             {{"worker", worker.command.name}, {"pid", pid}, {"ending", ending->text}});
  if (had_served) {
    Spawn(worker);
  } else {
    worker.restart = loop_.At(loop_.now() + RestartBackoff(++worker.deaths_before_serving),
                              [this, &worker] { Spawn(worker); });
  }
  worker.observer->OnExited(*ending, had_served);
}

Supervisor::Worker* Supervisor::FindLife(const std::string& path) {
  const auto found = std::find_if(workers_.begin(), workers_.end(), [&](const auto& worker) {
    return worker->path == path && worker->process.has_value();
  });
  return found == workers_.end() ? nullptr : found->get();
}

void Supervisor::MarkServed(const std::string& path) {
  Worker* const worker = FindLife(path);
  if (worker == nullptr || std::exchange(worker->served, true)) return;
  worker->deaths_before_serving = 0;
  const pid_t pid = worker->process->pid();
  log::Write(log::Level::kInfo, "worker_ready",
             StrCat("worker ", worker->command.name, " (pid ", pid, ") is ready"),
             {{"worker", worker->command.name}, {"pid", pid}});
}

bool Supervisor::Replace(const std::string& path) {
  Worker* const worker = FindLife(path);
  if (stopping_ || worker == nullptr || std::exchange(worker->replaced, true)) return false;
  worker->process->Signal(SIGKILL);
  return true;
}

void Supervisor::SetDetail(Detail detail) {
  detail_ = detail;
  for (const auto& worker : workers_) {
    if (worker->process.has_value()) {
      worker->process->Signal(detail == Detail::kMore ? SIGUSR1 : SIGUSR2);
    }
  }
}

void Supervisor::Stop(absl::Duration grace, absl::AnyInvocable<void()> done) {
  stopping_ = true;
  stopped_ = std::move(done);
  for (const auto& worker : workers_) {
    worker->restart.Cancel();
    if (worker->process.has_value()) worker->process->Signal(SIGTERM);
  }
  kill_timer_ = loop_.At(loop_.now() + grace, [this] {
    for (const auto& worker : workers_) {
      if (worker->process.has_value()) worker->process->Signal(SIGKILL);
    }
  });
  CheckStopped();
}

void Supervisor::CheckStopped() {
  const bool running = std::any_of(workers_.begin(), workers_.end(),
                                   [](const auto& worker) { return worker->process.has_value(); });
  if (running || stopped_ == nullptr) return;
  kill_timer_.Cancel();
  std::exchange(stopped_, nullptr)();
}

}  // namespace tiffin::gateway
