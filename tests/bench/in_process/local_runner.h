#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/tensor.h"
#include "worker/runtime/backend.h"
#include "worker/runtime/heap_outputs.h"

namespace tiffin::bench {

// Where runners are described, and how many threads each of their engines gets.
struct RunnerSource {
  std::string service_file;
  std::string store;
  int engine_threads = 1;
};

// A runner of a service file in this process: the engine that its worker would have, loaded from
// the same options and model, called by whoever owns it. For one thread at a time.
class LocalRunner {
 public:
  // `backend` is the one that the runner is known to need.
  static absl::StatusOr<LocalRunner> Load(const RunnerSource& source, const std::string& runner,
                                          std::string_view backend);

  // The outputs of `run`, in the order of the signature; valid until the next call.
  absl::StatusOr<std::span<const TensorView>> Run(const TensorView& input, int64_t rows);

 private:
  LocalRunner(std::unique_ptr<worker::Backend> backend, size_t outputs)
      : backend_(std::move(backend)), outputs_(outputs) {}

  std::unique_ptr<worker::Backend> backend_;
  worker::HeapOutputs outputs_;
};

}  // namespace tiffin::bench
