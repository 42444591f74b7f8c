#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/keys/key.h"
#include "common/signature.h"
#include "common/tensor.h"
#include "common/trace_context.h"
#include "nlohmann/json.hpp"

// The one interface between the worker's runtime and an engine.
namespace tiffin::worker {

// Code of the user's, for the backend that runs it. Paths are absolute.
struct SourceConfig {
  std::filesystem::path file;
  std::string class_name;
  std::filesystem::path environment;  // A virtual environment's folder; empty: the system's own.
};

// What a backend is made from.
struct BackendConfig {
  // The options of the service file laid over those of model.yaml. An unknown key is an error, and
  // a backend names in it the keys that it knows.
  nlohmann::json options = nlohmann::json::object();
  // The model's folder in the store; empty for a backend without a model.
  std::filesystem::path model_dir;
  // model.yaml's `files`, relative to model_dir.
  std::vector<std::string> files;
  // model.yaml's methods. While a model is imported: what the command line gave; inputs or outputs
  // may be empty, for the backend to infer.
  Signature declared;
  // model.yaml's `labels`: what the classes of a classifier are called, in their order.
  std::vector<std::string> labels;
  // Of a runner that is the user's own code, and of no other.
  std::optional<SourceConfig> source;
  // The cores that this worker has, for the engine's threads and Backend::concurrency() together;
  // always set explicitly.
  int threads = 1;
  // Where the model runs: "cpu", or a GPU such as "cuda:0".
  std::string device = "cpu";
};

// Where a method's outputs go: the worker's shared memory, or the frame when they are small.
class Outputs {
 public:
  virtual ~Outputs() = default;
  // Memory for output `index` of the method's signature, 64-byte aligned and uninitialised, for the
  // backend to fill before Run returns. `shape` includes the rows of a batchable method. For BYTES,
  // `byte_size` is the size of the framed elements; for others it must be the shape's. An error
  // (RESOURCE_EXHAUSTED) is to be returned from Run as it is. Each output is allocated once.
  virtual absl::StatusOr<std::span<std::byte>> Allocate(size_t index, DataType dtype,
                                                        std::span<const int64_t> shape,
                                                        uint64_t byte_size) = 0;
};

// The request that a call is made for, as its gateway knows it.
struct CallOrigin {
  std::string request_id;
  TraceContext trace;
};

// One execution of a method.
struct Invocation {
  std::string_view method;
  // In the order of the signature, checked against it. Read-only memory: writing faults. Batchable
  // methods get the rows as the first dimension, others no row dimension.
  std::span<const TensorView> inputs;
  // 1 for a method that is not batchable.
  int64_t rows = 1;
  // True once nobody waits for the outputs any more: the call was cancelled, or its deadline has
  // passed. What runs for long asks from time to time, from any thread, and returns CANCELLED.
  std::function<bool()> abandoned = [] { return false; };
  // How long until the last of its deadlines has passed. From any thread, as long as it executes.
  std::function<absl::Duration()> time_left = [] { return absl::InfiniteDuration(); };
  // What it is made for: one, or several where calls run together.
  std::function<std::vector<CallOrigin>()> origins = [] { return std::vector<CallOrigin>(); };
  // For a backend which finds that code of the user's still refers to an input or an output, and
  // may do so after Run: what they lie in stays as it is, and is nobody else's, as long as the
  // result lives. An input's memory costs a copy. Run must return an error then. Empty: neither
  // goes away before the backend does.
  std::function<absl::StatusOr<std::shared_ptr<const void>>()> keep = nullptr;
};

// An engine with its model loaded. Owned by the runtime. Destruction frees the engine's memory.
// Exceptions must not leave a backend.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual const Signature& signature() const = 0;
  // How many threads may call Run at the same time; one, unless the engine is safe with more. It is
  // not always the same one.
  virtual int concurrency() const { return 1; }
  // Where the model runs. The runtime refuses a backend that runs elsewhere than it was asked to.
  virtual std::string device() const { return "cpu"; }
  // Fills every output, or returns why not: INVALID_ARGUMENT for what the caller can mend.
  virtual absl::Status Run(const Invocation& invocation, Outputs& outputs) = 0;
};

using BackendFactory =
    std::function<absl::StatusOr<std::unique_ptr<Backend>>(const BackendConfig& config)>;

// The whole of a worker's main(): flags, model, session, execution. `backend` is the name in
// service files and model.yaml; `options` are the keys of its options, for the reference. Returns
// the exit code.
int WorkerMain(int argc, char** argv, std::string_view backend, std::span<const keys::Key> options,
               const BackendFactory& factory);

}  // namespace tiffin::worker
