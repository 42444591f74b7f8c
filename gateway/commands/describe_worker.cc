#include "gateway/commands/describe_worker.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/clock.h"
#include "common/shm/segment.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWorkerPrefix = "tiffin-worker-";
// Of a worker's stderr in an error: its end, where the reason stands.
constexpr size_t kMaxMessage = 4096;

struct Pipe {
  shm::UniqueFd read;
  shm::UniqueFd write;
};

absl::StatusOr<Pipe> MakePipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "no pipe to be had");
  Pipe pipe{shm::UniqueFd(fds[0]), shm::UniqueFd(fds[1])};
  // The worker writes as to any pipe; it is only we who never wait in a read.
  if (::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) != 0) {
    return absl::ErrnoToStatus(errno, "no pipe to be had");
  }
  return pipe;
}

// One of the streams that a worker writes.
struct Captured {
  shm::UniqueFd fd;
  std::string text;
  size_t max = 0;
  bool overflowed = false;

  // Takes what is there now; closes the descriptor at its end.
  void Drain() {
    std::array<char, 16384> piece{};
    while (fd.valid()) {
      const ssize_t count = ::read(fd.get(), piece.data(), piece.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return;
      if (count <= 0) {
        fd = shm::UniqueFd();
        return;
      }
      const size_t room = max - text.size();
      overflowed = overflowed || static_cast<size_t>(count) > room;
      text.append(piece.data(), std::min(static_cast<size_t>(count), room));
    }
  }
};

// A process that was started and must be reaped. Destruction kills it.
class Child {
 public:
  // By its number: glibc 2.36 declares pidfd_open without C linkage.
  explicit Child(pid_t pid)
      : pid_(pid), pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      Reap();
    }
  }

  // Readable once the process has ended.
  int pidfd() const { return pidfd_.get(); }
  // Waits for its end; as waitpid's status.
  int Reap() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
  shm::UniqueFd pidfd_;
};

// Starts `program` with an empty stdin and default signals; its stdout and stderr are ours.
absl::StatusOr<pid_t> Spawn(const fs::path& program, const std::vector<std::string>& arguments,
                            int out, int err) {
  std::vector<std::string> words = {program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t all;
  sigset_t none;
  ::sigfillset(&all);
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);

  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, program.c_str(), &actions, &attributes, argv.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return absl::ErrnoToStatus(error, ToAbsl(StrCat(program.string(), ": can't be started")));
  }
  return pid;
}

// The end of what the worker said on stderr, ready to stand behind a colon.
std::string Said(const Captured& err) {
  std::string_view text = Trim(err.text);
  if (text.empty()) return "it said nothing on stderr";
  if (text.size() <= kMaxMessage) return std::string(text);
  return StrCat("... ", text.substr(text.size() - kMaxMessage));
}

}  // namespace

absl::StatusOr<fs::path> FindWorkerProgram(std::string_view backend, const fs::path& folder) {
  fs::path program = folder / StrCat(kWorkerPrefix, backend);
  std::error_code code;
  if (backend.find('/') == std::string_view::npos && fs::exists(program, code)) return program;

  std::vector<std::string> backends;
  for (fs::directory_iterator entry(folder, code); !code && entry != fs::directory_iterator();
       entry.increment(code)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(kWorkerPrefix)) backends.push_back(name.substr(kWorkerPrefix.size()));
  }
  std::sort(backends.begin(), backends.end());
  return absl::NotFoundError(StrCat(
      "backend '", backend, "': no worker program ", program.string(), " (",
      backends.empty() ? "no worker is there; build them beside this program"
                       : StrCat("have ", absl::StrJoin(backends, ", "), "; choose one of them"),
      ")"));
}

absl::StatusOr<WorkerDescription> DescribeWorker(const fs::path& program,
                                                 const std::vector<std::string>& arguments,
                                                 const DescribeLimits& limits) {
  ASSIGN_OR_RETURN(Pipe out_pipe, MakePipe());
  ASSIGN_OR_RETURN(Pipe err_pipe, MakePipe());
  ASSIGN_OR_RETURN(const pid_t pid,
                   Spawn(program, arguments, out_pipe.write.get(), err_pipe.write.get()));
  Child child(pid);
  out_pipe.write = shm::UniqueFd();
  err_pipe.write = shm::UniqueFd();
  Captured out{.fd = std::move(out_pipe.read), .text = {}, .max = limits.output_bytes};
  Captured err{.fd = std::move(err_pipe.read), .text = {}, .max = limits.output_bytes};

  const std::string who = program.filename().string();
  const absl::Time deadline = Clock::Monotonic().Now() + limits.time;
  while (true) {
    // A descriptor that is closed by now is -1, which poll passes over.
    std::array<pollfd, 3> polled = {
        {{out.fd.get(), POLLIN, 0}, {err.fd.get(), POLLIN, 0}, {child.pidfd(), POLLIN, 0}}};
    const absl::Duration left = deadline - Clock::Monotonic().Now();
    const int64_t wait_ms =
        std::max<int64_t>(0, absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))));
    const int ready = ::poll(polled.data(), polled.size(),
                             static_cast<int>(std::min<int64_t>(wait_ms, 1'000'000)));
    if (ready < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "poll");
    out.Drain();
    err.Drain();
    if (out.overflowed) {
      return absl::InternalError(StrCat(who, ": its description is larger than ",
                                        limits.output_bytes, " bytes; is it a worker of Tiffin?"));
    }
    if (ready > 0 && polled[2].revents != 0) break;
    // Where a kernel gives no pidfd, the end of both streams has to do.
    if (child.pidfd() < 0 && !out.fd.valid() && !err.fd.valid()) break;
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(StrCat(
          who, ": no description after ", absl::FormatDuration(limits.time), ": ", Said(err)));
    }
  }

  const int status = child.Reap();
  // What it wrote just before its end.
  out.Drain();
  err.Drain();
  if (WIFSIGNALED(status)) {
    return absl::UnavailableError(StrCat(who, ": died of signal ", WTERMSIG(status), " (",
                                         ::strsignal(WTERMSIG(status)), "): ", Said(err)));
  }
  if (WEXITSTATUS(status) == 2) return absl::InvalidArgumentError(Said(err));
  if (WEXITSTATUS(status) != 0) {
    return absl::FailedPreconditionError(
        StrCat(who, ": exited with ", WEXITSTATUS(status), ": ", Said(err)));
  }
  absl::StatusOr<WorkerDescription> description = WorkerDescriptionFromJson(out.text);
  if (!description.ok()) {
    return absl::InternalError(
        StrCat(who, ": its description is broken: ", Message(description.status())));
  }
  return description;
}

}  // namespace tiffin::gateway
