#include "common/log/grpc_log.h"

#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/log/throttle.h"
#include "common/strings.h"
#include "grpc/support/log.h"

namespace tiffin::log {
namespace {

// gRPC calls a function, and tells it nothing of who wants to know: so there is one of these.
class GrpcLines {
 public:
  void OnLine(const gpr_log_func_args& line) {
    if (line.severity != GPR_LOG_SEVERITY_ERROR) {
      Write(Level::kDebug, "grpc", StrCat("gRPC: ", line.message));
      return;
    }
    const absl::MutexLock lock(&mutex_);
    const std::optional<int64_t> count = errors_.Count();
    if (!count.has_value()) return;
    Write(Level::kWarning, "grpc", StrCat("gRPC: ", line.message, "; ", *count, " such so far"),
          {{"count", *count}, {"source", StrCat(line.file, ":", line.line)}});
  }

 private:
  absl::Mutex mutex_;
  Throttle errors_ ABSL_GUARDED_BY(mutex_){Clock::Monotonic()};
};

}  // namespace

void WriteWhatGrpcSays() {
  gpr_set_log_function([](gpr_log_func_args* line) {
    static GrpcLines& lines = *new GrpcLines();  // gRPC's threads may outlive main.
    lines.OnLine(*line);
  });
}

void HushGrpc() {
  gpr_set_log_function([](gpr_log_func_args*) {});
}

}  // namespace tiffin::log
