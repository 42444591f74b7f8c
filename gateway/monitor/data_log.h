#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/config/service.h"
#include "gateway/graph/execution.h"
#include "gateway/graph/plan.h"
#include "gateway/monitor/record.h"

namespace tiffin::gateway {

// What waits to be written. Beyond it, records are dropped, and counted.
struct DataLogLimits {
  size_t records = 1024;
  uint64_t bytes = uint64_t{64} << 20;
};

// What the monitors of all services write down, by a thread of its own: a slow or a full disk costs
// records, and no request waits for it. Owned by the command; outlives the loops. Thread-safe.
// Destruction writes what still waits, for a second at most.
class DataLog {
 public:
  // Opens a file in `folder` for each monitor. INVALID_ARGUMENT if one can't be written.
  static absl::StatusOr<std::unique_ptr<DataLog>> Open(
      const std::filesystem::path& folder, std::span<const config::ServiceConfig> services,
      DataLogLimits limits = {});
  ~DataLog();

  // True for the share of the requests that are to be monitored.
  bool Samples(const PlannedMonitor& monitor);
  // Takes what is to be written down of a request that has ended well.
  void Add(Execution& execution);

  // Records that were not written.
  uint64_t dropped() const { return dropped_; }

 private:
  class File;
  struct Waiting {
    DataRecord record;
    uint64_t bytes = 0;
  };

  explicit DataLog(DataLogLimits limits);
  void Run();
  void Write(const DataRecord& record);
  void TellDropped();

  const DataLogLimits limits_;
  std::map<std::string, std::unique_ptr<File>, std::less<>> files_;  // By name.
  std::atomic<uint64_t> dropped_ = 0;

  absl::Mutex mutex_;
  absl::BitGen random_ ABSL_GUARDED_BY(mutex_);
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  // Of those that wait, and those that are about to.
  uint64_t taken_records_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t taken_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time write_until_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();  // By absl::Now().

  // The writer's own.
  uint64_t told_dropped_ = 0;
  absl::Time told_at_ = absl::InfinitePast();

  std::thread writer_;  // Last: it uses all of the above.
};

}  // namespace tiffin::gateway
