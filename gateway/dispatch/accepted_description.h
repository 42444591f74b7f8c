#pragma once

#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/signature.h"

namespace tiffin::gateway {

// What all workers of a runner say they are: the first one's word, which the others have to agree
// with, on whichever loop they attach. Thread-safe.
class AcceptedDescription {
 public:
  // kAny: who starts them may replace a model by one with the same signature.
  enum class Version { kSame, kAny };
  bool Accept(const WorkerDescription& description, Version version) {
    const absl::MutexLock lock(&mutex_);
    if (!accepted_.has_value()) accepted_ = description;
    return accepted_->methods == description.methods && accepted_->backend == description.backend &&
           accepted_->model == description.model &&
           (version == Version::kAny || accepted_->model_version == description.model_version);
  }
  std::optional<WorkerDescription> current() const {
    const absl::MutexLock lock(&mutex_);
    return accepted_;
  }
  // It does not fit the graph: the next one's word counts.
  void Forget() {
    const absl::MutexLock lock(&mutex_);
    accepted_.reset();
  }

 private:
  mutable absl::Mutex mutex_;
  std::optional<WorkerDescription> accepted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tiffin::gateway
