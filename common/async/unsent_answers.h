#pragma once

#include <cstdint>
#include <list>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "grpcpp/server_context.h"

namespace tiffin {

// What a server has given gRPC to send and clients have not taken: gRPC keeps it, however much it
// is and however long a client takes. Bounded here in bytes, where who has kept its answer waiting
// for longest gives way, and in time. Thread-safe.
class UnsentAnswers {
 public:
  struct Limits {
    uint64_t bytes = 0;
    absl::Duration time;
  };
  explicit UnsentAnswers(const Limits& limits, const Clock& clock = Clock::Monotonic())
      : limits_(limits), clock_(clock) {}
  UnsentAnswers(const UnsentAnswers&) = delete;
  UnsentAnswers& operator=(const UnsentAnswers&) = delete;

 private:
  struct Answer {
    grpc::ServerContext* context;
    uint64_t bytes;
    absl::Time since;
    bool cancelled = false;
  };

 public:
  // An RPC's answer under way, one at a time; it ends with this.
  class Sending {
   public:
    Sending() = default;
    Sending(const Sending&) = delete;
    Sending& operator=(const Sending&) = delete;
    ~Sending() { End(); }

    // False: there are too many bytes, and nobody who has had the time to take theirs.
    [[nodiscard]] bool Begin(UnsentAnswers& answers, grpc::ServerContext& context, uint64_t bytes);
    void End();

   private:
    UnsentAnswers* answers_ = nullptr;  // Null: nothing is under way.
    std::list<Answer>::iterator answer_;
  };

  // Cancels the RPCs that have taken too long. To be called now and then.
  void CancelLate(absl::Time now);

 private:
  void Cancel(Answer& answer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Limits limits_;
  const Clock& clock_;
  absl::Mutex mutex_;
  std::list<Answer> answers_ ABSL_GUARDED_BY(mutex_);  // The oldest first.
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;         // Of those that are not cancelled.
};

}  // namespace tiffin
