#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/config/batching.h"
#include "common/config/diagnostics.h"
#include "common/config/endpoint.h"
#include "common/config/literal.h"
#include "common/config/monitor.h"
#include "common/config/reference.h"
#include "common/config/resources.h"
#include "common/signature.h"
#include "nlohmann/json.hpp"

// A service file as it is written: names are not resolved, types are not inferred (gateway/graph
// does that). Everything keeps its location, for errors.
namespace tiffin::config {

struct Argument {
  std::string keyword;  // Empty for a positional one.
  std::variant<Reference, Literal> value;
  Location location;
};

// `callee(argument, ...)`, or `callee.method(...)`.
struct CallExpression {
  std::string callee;  // Empty where the call could not be read, which has been reported.
  std::string method;  // Empty where none is written.
  std::vector<Argument> arguments;
  Location location;
};

struct StepConfig {
  std::string name;
  CallExpression call;
  std::optional<absl::Duration> timeout;
  std::optional<int> retries;
  Location location;
  Location retries_location;
};

struct InputConfig {
  std::string name;
  // Of one row. The dtype is kInvalid where it could not be read, which has been reported.
  ValueType type;
  bool has_rows = false;  // Declared with `rows` as its first dimension.
  Location location;
};

struct OutputConfig {
  std::string name;
  Reference value;
  Location location;  // Of the value.
};

inline constexpr absl::Duration kDefaultApiTimeout = absl::Seconds(60);

struct ApiConfig {
  std::string name;
  std::vector<InputConfig> inputs;
  std::vector<StepConfig> steps;
  std::vector<OutputConfig> outputs;
  absl::Duration timeout = kDefaultApiTimeout;
  std::optional<MonitorConfig> monitor;
  Location location;
};

inline constexpr int kDefaultQueueMax = 1024;
inline constexpr absl::Duration kDefaultStartTimeout = absl::Minutes(10);

// A runner that is a user's own code. Paths are as they are written: relative to the service file.
struct PythonConfig {
  std::string file;         // "clean.py"
  std::string class_name;   // "Clean"
  std::string environment;  // Of a virtual environment; empty: Debian's own.
};

// What runs the runners that are `python`.
inline constexpr std::string_view kPythonBackend = "python";

// Just one of `model`, `backend` and `endpoints` is set, unless something was reported.
struct RunnerConfig {
  std::string name;
  std::string model;                   // "name:3" or "name:latest".
  std::string backend;                 // "image"; kPythonBackend where `python` is set.
  std::optional<PythonConfig> python;  // Where it is written.
  std::vector<Endpoint> endpoints;     // Where workers listen that somebody else starts.
  // Where SetEndpoints put these: the model ("name:3") or the backend that the file has beside
  // them, for whoever starts the workers.
  std::string written;
  nlohmann::json options = nlohmann::json::object();
  std::optional<int> replicas;
  int queue_max = kDefaultQueueMax;
  absl::Duration start_timeout = kDefaultStartTimeout;
  ResourcesConfig resources;
  std::optional<std::string> device;       // "cpu" or "cuda:0".
  std::optional<BatchingConfig> batching;  // None: nothing is written.
  Location location;
  Location model_location;  // Of the model, the backend, the code or the endpoints.
};

struct ServiceConfig {
  std::filesystem::path file;
  std::string name;
  Location name_location;
  std::vector<RunnerConfig> runners;
  std::vector<ApiConfig> apis;

  const RunnerConfig* FindRunner(std::string_view runner_name) const;
};

// Reads and checks the form of `yaml`: unknown and duplicate keys, names, types, expressions,
// values. What it can make sense of is returned even when `diagnostics` got entries, so that the
// checks that follow find more in the same run. `file` is for `ServiceConfig::file` only; nothing
// is opened.
ServiceConfig ParseService(std::string_view yaml, const std::filesystem::path& file,
                           Diagnostics& diagnostics);

// Reads the file. NOT_FOUND if it can't be read; what is wrong in it goes to `diagnostics`.
absl::StatusOr<ServiceConfig> LoadService(const std::filesystem::path& file,
                                          Diagnostics& diagnostics);
// The same for who wants a whole one: INVALID_ARGUMENT with all diagnostics.
absl::StatusOr<ServiceConfig> LoadService(const std::filesystem::path& file);

// `callee(a, b.c, k=1, 'text')`. Errors go to `diagnostics`; `location` is that of the text's first
// character.
std::optional<CallExpression> ParseCallExpression(std::string_view text, Location location,
                                                  Diagnostics& diagnostics);

}  // namespace tiffin::config
