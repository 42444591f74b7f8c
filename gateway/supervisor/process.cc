#include "gateway/supervisor/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "common/strings.h"
#include "common/unique_fd.h"

// glibc 2.36 declares it without C linkage.
extern "C" {
#include <sys/pidfd.h>
}

namespace tiffin::gateway {
namespace {

// What posix_spawn is told, destroyed with it.
struct SpawnSettings {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;

  SpawnSettings() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
};

}  // namespace

absl::StatusOr<Process> Process::Spawn(const std::string& program,
                                       const std::vector<std::string>& arguments,
                                       const Descriptors& descriptors) {
  const bool has_lifeline = descriptors.lifeline >= 0;
  SpawnSettings settings;
  if (descriptors.in < 0) {
    posix_spawn_file_actions_addopen(&settings.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  for (const auto& [from, to] : {std::pair{descriptors.in, STDIN_FILENO},
                                 {descriptors.out, STDOUT_FILENO},
                                 {descriptors.err, STDERR_FILENO},
                                 {descriptors.lifeline, kLifelineFd}}) {
    if (from >= 0) posix_spawn_file_actions_adddup2(&settings.actions, from, to);
  }
  posix_spawn_file_actions_addclosefrom_np(&settings.actions,
                                           has_lifeline ? kLifelineFd + 1 : kLifelineFd);
  sigset_t blocked;
  sigset_t all;
  sigemptyset(&blocked);
  sigfillset(&all);
  if (has_lifeline) {
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGUSR2);
  }
  posix_spawnattr_setsigmask(&settings.attributes, &blocked);
  posix_spawnattr_setsigdefault(&settings.attributes, &all);
  posix_spawnattr_setpgroup(&settings.attributes, 0);
  const int own_group = has_lifeline ? POSIX_SPAWN_SETPGROUP : 0;
  posix_spawnattr_setflags(
      &settings.attributes,
      static_cast<int16_t>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | own_group));

  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, program.c_str(), &settings.actions, &settings.attributes,
                                argv.data(), environ);
  if (error != 0) {
    return absl::InternalError(StrCat("can't start ", program, ": ", strerror(error)));
  }
  UniqueFd pidfd(pidfd_open(pid, 0));
  Process process(pid, std::move(pidfd));
  if (!process.pidfd_.valid()) {
    return absl::InternalError(StrCat("pidfd_open: ", strerror(errno)));
  }
  return process;
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}

Process::~Process() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Process::Signal(int signal) const {
  if (pid_ > 0) kill(pid_, signal);
}

std::optional<Process::Ending> Process::Reap() {
  int status = 0;
  rusage usage{};
  if (pid_ < 0 || wait4(pid_, &status, WNOHANG, &usage) != pid_) return std::nullopt;
  pid_ = -1;
  const uint64_t peak_memory = static_cast<uint64_t>(usage.ru_maxrss) << 10;  // It is in KiB.
  if (WIFEXITED(status)) {
    return Ending{.text = StrCat("exit code ", WEXITSTATUS(status)),
                  .exit_code = WEXITSTATUS(status),
                  .peak_memory = peak_memory};
  }
  const int signal = WTERMSIG(status);
  return Ending{.text = StrCat("signal ", signal, " (", strsignal(signal), ")"),
                .exit_code = std::nullopt,
                .peak_memory = peak_memory};
}

}  // namespace tiffin::gateway
