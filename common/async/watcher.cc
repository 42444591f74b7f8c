#include "common/async/watcher.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "boost/asio/posix/stream_descriptor.hpp"
#include "boost/asio/post.hpp"

namespace tiffin {
namespace {

using boost::asio::posix::stream_descriptor;

// Shared by its Watch and by the wait that is pending in the io_context: the wait may complete
// after the Watch is gone, and then finds `ended`.
class WatchState : public std::enable_shared_from_this<WatchState> {
 public:
  WatchState(boost::asio::io_context& context, int fd, Watcher::Interest interest,
             absl::AnyInvocable<bool()> ready)
      : descriptor_(context, fd),
        wait_(interest == Watcher::Interest::kReadable ? stream_descriptor::wait_read
                                                       : stream_descriptor::wait_write),
        ready_(std::move(ready)) {}

  ~WatchState() { descriptor_.release(); }

  void Wait() {
    descriptor_.async_wait(wait_, [self = shared_from_this()](boost::system::error_code error) {
      if (!error) self->OnReady();
    });
  }

  void End() {
    if (std::this_thread::get_id() == callback_thread_.load()) {
      ended_ = true;  // Called from inside the callback, which holds the mutex.
      return;
    }
    absl::MutexLock lock(&mutex_);
    if (std::exchange(ended_, true)) return;
    descriptor_.release();
  }

 private:
  void OnReady() {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    callback_thread_ = std::this_thread::get_id();
    const bool again = ready_();
    callback_thread_ = std::thread::id();
    if (again && !ended_) {
      Wait();
    } else {
      ended_ = true;
      descriptor_.release();
    }
  }

  absl::Mutex mutex_;
  stream_descriptor descriptor_;
  const stream_descriptor::wait_type wait_;
  absl::AnyInvocable<bool()> ready_;
  bool ended_ = false;
  std::atomic<std::thread::id> callback_thread_{};
};

class OwnedWatch : public Watcher::Watch {
 public:
  explicit OwnedWatch(std::shared_ptr<WatchState> state) : state_(std::move(state)) {}
  ~OwnedWatch() override { state_->End(); }

 private:
  std::shared_ptr<WatchState> state_;
};

}  // namespace

Watcher::Watcher() : work_(context_.get_executor()), thread_([this] { context_.run(); }) {}

Watcher::~Watcher() {
  work_.reset();
  context_.stop();
  thread_.join();
}

std::unique_ptr<Watcher::Watch> Watcher::Add(int fd, Interest interest,
                                             absl::AnyInvocable<bool()> ready) {
  auto state = std::make_shared<WatchState>(context_, fd, interest, std::move(ready));
  state->Wait();
  return std::make_unique<OwnedWatch>(std::move(state));
}

void Watcher::EndLater(std::unique_ptr<Watch> watch) {
  {
    absl::MutexLock lock(&mutex_);
    ended_.push_back(std::move(watch));
  }
  boost::asio::post(context_, [this] {
    std::vector<std::unique_ptr<Watch>> ended;
    {
      absl::MutexLock lock(&mutex_);
      ended.swap(ended_);
    }
  });
}

}  // namespace tiffin
