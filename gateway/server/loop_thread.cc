#include "gateway/server/loop_thread.h"

#include <pthread.h>

#include <utility>

#include "common/clock.h"
#include "common/strings.h"

namespace tiffin::gateway {

LoopThread::LoopThread(grpc::CompletionQueue& queue, size_t number)
    : queue_(queue), loop_(queue, Clock::Monotonic()), number_(number) {}

void LoopThread::Start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), StrCat("loop", number_).c_str());  // For top and the like.
    loop_.Run();
  });
}

void LoopThread::Stop(Loop::Task last) {
  loop_.Post([this, last = std::move(last)]() mutable {
    last();
    loop_.Close();
    queue_.Shutdown();
  });
}

}  // namespace tiffin::gateway
