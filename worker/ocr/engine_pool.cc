#include "worker/ocr/engine_pool.h"

#include <utility>

namespace tiffin::worker {

EnginePool::EnginePool(std::vector<std::unique_ptr<Engine>> engines)
    : size_(static_cast<int>(engines.size())), idle_(std::move(engines)) {}

std::unique_ptr<Engine> EnginePool::Take() {
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](std::vector<std::unique_ptr<Engine>>* idle) { return !idle->empty(); }, &idle_));
  std::unique_ptr<Engine> engine = std::move(idle_.back());
  idle_.pop_back();
  return engine;
}

void EnginePool::Return(std::unique_ptr<Engine> engine) {
  const absl::MutexLock lock(&mutex_);
  idle_.push_back(std::move(engine));
}

}  // namespace tiffin::worker
