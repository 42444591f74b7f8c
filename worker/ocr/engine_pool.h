#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "worker/ocr/engine.h"

namespace tiffin::worker {

// The engines, lent to one call each. Thread-safe; outlives its loans.
class EnginePool {
 public:
  explicit EnginePool(std::vector<std::unique_ptr<Engine>> engines);

  // An engine, which goes back when this is destroyed. Waits while all are lent, which they are not
  // as long as there is one for each thread.
  class Loan {
   public:
    explicit Loan(EnginePool& pool) : pool_(pool), engine_(pool.Take()) {}
    ~Loan() { pool_.Return(std::move(engine_)); }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    Engine& operator*() const { return *engine_; }

   private:
    EnginePool& pool_;
    std::unique_ptr<Engine> engine_;
  };

  // Of all engines, those that are lent included.
  int size() const { return size_; }

 private:
  std::unique_ptr<Engine> Take();
  void Return(std::unique_ptr<Engine> engine);

  const int size_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Engine>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tiffin::worker
