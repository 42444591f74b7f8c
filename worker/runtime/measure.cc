#include "worker/runtime/measure.h"

#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/runtime/batcher.h"
#include "worker/runtime/example_inputs.h"
#include "worker/runtime/heap_outputs.h"

namespace tiffin::worker {
namespace {

constexpr size_t kLeastExecutions = 3;
constexpr uint64_t kMostInputBytes = uint64_t{64} << 20;
// A clock's tick, so that nothing takes no time.
constexpr double kLeastSeconds = 1e-9;

// One method with one number of rows.
class Point {
 public:
  Point(Backend& backend, std::string_view method, const MethodSignature& signature,
        const ExampleInputs& inputs, const Clock& clock)
      : backend_(backend), method_(method), signature_(signature), inputs_(inputs), clock_(clock) {}

  // Once, uncounted.
  absl::Status WarmUp() {
    HeapOutputs outputs(signature_.outputs.size());
    return RunOnce(outputs);
  }

  // On as many threads as the backend allows, until `end`.
  absl::StatusOr<Measurement> Run(absl::Time end) {
    const absl::Duration cpu_before = ProcessCpuTime();
    {
      std::vector<std::thread> threads;
      for (int i = 0; i < backend_.concurrency(); ++i) {
        threads.emplace_back([this, end] { RunUntil(end); });
      }
      for (std::thread& thread : threads) thread.join();
    }
    const double cpu = absl::ToDoubleSeconds(ProcessCpuTime() - cpu_before);
    const absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(failure_);
    // The lower quartile: what others on the machine do only adds.
    const auto quartile = times_.begin() + static_cast<int64_t>(times_.size() / 4);
    std::nth_element(times_.begin(), quartile, times_.end());
    return Measurement{
        .method = std::string(method_),
        .rows = inputs_.rows(),
        .input = {},
        .seconds = std::max(kLeastSeconds, absl::ToDoubleSeconds(*quartile)),
        .cpu_seconds = std::max(kLeastSeconds, cpu / static_cast<double>(times_.size())),
        .wait_seconds = 0};
  }

 private:
  absl::Status RunOnce(HeapOutputs& outputs) {
    const absl::Status ran = backend_.Run(
        {.method = method_, .inputs = inputs_.views(), .rows = inputs_.rows()}, outputs);
    if (ran.ok()) return ran;
    return absl::Status(ran.code(),
                        StrCat("running '", method_, "' on the example: ", Message(ran)));
  }

  void RunUntil(absl::Time end) {
    HeapOutputs outputs(signature_.outputs.size());
    for (size_t runs = 0; runs < kLeastExecutions || clock_.Now() < end; ++runs) {
      const absl::Time start = clock_.Now();
      const absl::Status ran = RunOnce(outputs);
      const absl::MutexLock lock(&mutex_);
      times_.push_back(clock_.Now() - start);
      if (!ran.ok()) failure_ = ran;
      if (!failure_.ok()) return;
    }
  }

  Backend& backend_;
  const std::string_view method_;
  const MethodSignature& signature_;
  const ExampleInputs& inputs_;
  const Clock& clock_;
  absl::Mutex mutex_;
  std::vector<absl::Duration> times_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

// 1, 2, 4, ..., most.
std::vector<int64_t> RowCounts(int64_t most) {
  std::vector<int64_t> counts;
  for (int64_t rows = 1; rows < most; rows *= 2) counts.push_back(rows);
  counts.push_back(most);
  return counts;
}

uint64_t BytesOf(const ExampleInputs& inputs) {
  uint64_t bytes = 0;
  for (const TensorView& view : inputs.views()) bytes += view.bytes.size();
  return bytes;
}

// All of them are the backend's.
absl::StatusOr<std::vector<std::string>> MethodsOf(const MeasureSubject& subject) {
  const Signature& signature = subject.backend.signature();
  for (const std::string& name : subject.methods) {
    if (signature.contains(name)) continue;
    return absl::InvalidArgumentError(StrCat("there is no method '", name, "'"));
  }
  if (!subject.methods.empty()) return subject.methods;
  std::vector<std::string> names;
  for (const auto& [name, method] : signature) {
    if (name == kDefaultMethod) return std::vector<std::string>(1, name);
    names.push_back(name);
  }
  if (names.size() == 1) return names;
  return absl::InvalidArgumentError(
      StrCat("it has no method '", kDefaultMethod, "', but ", absl::StrJoin(names, ", "),
             ": choose with --method (for tiffin tune, call one in an API)"));
}

absl::Status CheckGiven(const MeasureSubject& subject, const std::vector<std::string>& methods) {
  std::set<std::string> inputs;
  for (const std::string& name : methods) {
    for (const TensorSpec& spec : subject.backend.signature().at(name).inputs) {
      inputs.insert(spec.name);
    }
  }
  for (const auto& [name, value] : subject.given) {
    if (inputs.contains(name)) continue;
    return absl::InvalidArgumentError(StrCat("--example: there is no input '", name, "' of ",
                                             absl::StrJoin(methods, " or "), " (have ",
                                             absl::StrJoin(inputs, ", "), ")"));
  }
  return absl::OkStatus();
}

}  // namespace

MeasureLimits MeasureLimitsOf(const config::BatchingConfig& batching) {
  MeasureLimits limits;
  if (batching.policy == config::BatchingPolicy::kOff) return limits;
  limits.max_rows = batching.max_batch_size;
  if (batching.policy == config::BatchingPolicy::kFixed) limits.window = batching.max_delay;
  return limits;
}

absl::StatusOr<WorkerMeasurements> Measure(const MeasureSubject& subject,
                                           const MeasureLimits& limits, const Clock& clock) {
  ASSIGN_OR_RETURN(const std::vector<std::string> methods, MethodsOf(subject));
  RETURN_IF_ERROR(CheckGiven(subject, methods));
  WorkerMeasurements made;
  made.concurrency = subject.backend.concurrency();
  const absl::Time end = clock.Now() + limits.total;
  for (const std::string& name : methods) {
    const MethodSignature& method = subject.backend.signature().at(name);
    ASSIGN_OR_RETURN(const MethodExample example,
                     FindExample(name, method, subject.kept, subject.given));
    const int64_t most = CanBatch(method) ? limits.max_rows : 1;
    for (const int64_t rows : RowCounts(most)) {
      if (rows > 1 && clock.Now() >= end) break;
      ASSIGN_OR_RETURN(const ExampleInputs inputs,
                       ExampleInputs::Create(method, example.row, rows));
      if (rows > 1 && BytesOf(inputs) > kMostInputBytes) break;
      Point point(subject.backend, name, method, inputs, clock);
      RETURN_IF_ERROR(point.WarmUp());
      ASSIGN_OR_RETURN(Measurement measurement, point.Run(clock.Now() + limits.point));
      measurement.input = example.source;
      if (most > 1) measurement.wait_seconds = absl::ToDoubleSeconds(limits.window);
      made.measurements.push_back(std::move(measurement));
    }
  }
  return made;
}

}  // namespace tiffin::worker
