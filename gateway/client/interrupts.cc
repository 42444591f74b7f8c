#include "gateway/client/interrupts.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

namespace tiffin::gateway::client {

absl::StatusOr<std::unique_ptr<Interrupts>> Interrupts::Create() {
  std::unique_ptr<Interrupts> made(new Interrupts);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  made->signals_ = UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC));
  made->end_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
  if (!made->signals_.valid() || !made->end_.valid()) {
    return absl::ErrnoToStatus(errno, "can't watch for signals");
  }
  pthread_sigmask(SIG_BLOCK, &signals, &made->before_);
  made->thread_ = std::thread([watch = made.get()] { watch->Run(); });
  return made;
}

Interrupts::~Interrupts() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  // An eventfd at zero takes it.
  [[maybe_unused]] const ssize_t written = ::write(end_.get(), &one, sizeof one);
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void Interrupts::Run() {
  while (true) {
    std::array<pollfd, 2> polled = {{{signals_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}}};
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    if (polled[1].revents != 0) return;
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) != sizeof info) continue;
    const absl::MutexLock lock(&mutex_);
    signal_ = static_cast<int>(info.ssi_signo);
    if (call_ != nullptr) call_->TryCancel();
  }
}

void Interrupts::Watch(grpc::ClientContext* call) {
  const absl::MutexLock lock(&mutex_);
  call_ = call;
  if (call_ != nullptr && signal_ != 0) call_->TryCancel();
}

int Interrupts::signal() const {
  const absl::MutexLock lock(&mutex_);
  return signal_;
}

}  // namespace tiffin::gateway::client
