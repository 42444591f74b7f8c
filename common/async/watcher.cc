#include "common/async/watcher.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <utility>

namespace tiffin {
namespace {

constexpr uint64_t kWake = 0;  // The id of the watcher's own descriptor.
constexpr size_t kEventsPerWait = 32;

uint32_t EventsOf(Watcher::Interest interest) {
  switch (interest) {
    case Watcher::Interest::kReadable:
      return EPOLLIN;
    case Watcher::Interest::kWritable:
      return EPOLLOUT;
    case Watcher::Interest::kArrivals:
      return EPOLLIN | EPOLLET;
  }
  return 0;
}

// Out of descriptors or of the kernel's memory: nothing could be served without them.
int Must(int result, const char* what) {
  if (result >= 0) return result;
  std::perror(what);
  std::abort();
}

}  // namespace

// Shared by its Watch and by the watcher's list: an event may come after the Watch is gone, and
// then finds `ended_`.
class Watcher::State {
 public:
  State(Watcher& watcher, uint64_t id, int fd, absl::AnyInvocable<bool()> ready)
      : watcher_(watcher), id_(id), fd_(fd), ready_(std::move(ready)) {}

  void OnReady() {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    callback_thread_ = std::this_thread::get_id();
    const bool again = ready_();
    callback_thread_ = std::thread::id();
    if (!again) EndLocked();
  }

  void End() {
    if (std::this_thread::get_id() == callback_thread_.load()) {
      EndLocked();  // Called from inside the callback, which holds the mutex.
      return;
    }
    absl::MutexLock lock(&mutex_);
    EndLocked();
  }

 private:
  void EndLocked() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (std::exchange(ended_, true)) return;
    epoll_ctl(watcher_.epoll_.get(), EPOLL_CTL_DEL, fd_, nullptr);
    watcher_.Forget(id_);
  }

  Watcher& watcher_;
  const uint64_t id_;
  const int fd_;
  absl::Mutex mutex_;  // Held while the callback runs.
  absl::AnyInvocable<bool()> ready_;
  bool ended_ = false;
  std::atomic<std::thread::id> callback_thread_{};
};

class Watcher::OwnedWatch : public Watcher::Watch {
 public:
  explicit OwnedWatch(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~OwnedWatch() override { state_->End(); }

 private:
  std::shared_ptr<State> state_;
};

Watcher::Watcher()
    : epoll_(Must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wake_(Must(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kWake}};
  Must(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event), "epoll_ctl");
  thread_ = std::thread([this] { Run(); });
}

Watcher::~Watcher() {
  {
    absl::MutexLock lock(&mutex_);
    stops_ = true;
  }
  Wake();
  thread_.join();
}

void Watcher::Run() {
  std::array<epoll_event, kEventsPerWait> events{};
  while (true) {
    const int ready = epoll_wait(epoll_.get(), events.data(), events.size(), /*timeout=*/-1);
    const std::span<const epoll_event> come(events.data(), static_cast<size_t>(std::max(ready, 0)));
    const auto is_wake = [](const epoll_event& event) { return event.data.u64 == kWake; };
    // First: a watch that was to end is not called once more.
    if (std::any_of(come.begin(), come.end(), is_wake) && !OnWake()) return;
    for (const epoll_event& event : come) {
      if (const std::shared_ptr<State> state = Find(event.data.u64); state != nullptr) {
        state->OnReady();
      }
    }
  }
}

void Watcher::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof(one));
}

bool Watcher::OnWake() {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t taken = read(wake_.get(), &count, sizeof(count));
  std::vector<std::unique_ptr<Watch>> ended;
  absl::MutexLock lock(&mutex_);
  ended.swap(ended_);
  return !stops_;
}

std::shared_ptr<Watcher::State> Watcher::Find(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  const auto found = watches_.find(id);
  return found == watches_.end() ? nullptr : found->second;
}

void Watcher::Forget(uint64_t id) {
  std::shared_ptr<State> state;
  absl::MutexLock lock(&mutex_);
  const auto found = watches_.find(id);
  state = std::move(found->second);
  watches_.erase(found);
}

std::unique_ptr<Watcher::Watch> Watcher::Add(int fd, Interest interest,
                                             absl::AnyInvocable<bool()> ready) {
  std::shared_ptr<State> state;
  epoll_event event{.events = EventsOf(interest), .data = {}};
  {
    absl::MutexLock lock(&mutex_);
    event.data.u64 = ++last_id_;
    state = std::make_shared<State>(*this, last_id_, fd, std::move(ready));
    watches_.emplace(last_id_, state);
  }
  Must(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  return std::make_unique<OwnedWatch>(std::move(state));
}

void Watcher::EndLater(std::unique_ptr<Watch> watch) {
  {
    absl::MutexLock lock(&mutex_);
    ended_.push_back(std::move(watch));
  }
  Wake();
}

}  // namespace tiffin
