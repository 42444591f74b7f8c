#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/signature.h"
#include "common/trace_context.h"
#include "gateway/graph/task.h"
#include "gateway/graph/value.h"

// APIs written in C++ instead of YAML: what a graph can't say, loops and branches for instance.
namespace tiffin::gateway {

// A method of a runner, as a program calls it. Cheap to copy.
class RunnerHandle {
 public:
  explicit RunnerHandle(size_t step) : step_(step) {}

  // The method's only output. `inputs` are in the order of its signature, of its types, all with
  // the same number of rows.
  template <typename... Values>
  Task<Value> Run(Values... inputs) const {
    return Only(RunMany(std::move(inputs)...));
  }
  // All of its outputs, in order.
  template <typename... Values>
  Task<std::vector<Value>> RunMany(Values... inputs) const {
    std::vector<Value> all;
    all.reserve(sizeof...(inputs));
    (all.push_back(std::move(inputs)), ...);
    return Call(step_, std::move(all));
  }

 private:
  static Task<std::vector<Value>> Call(size_t step, std::vector<Value> inputs);
  static Task<Value> Only(Task<std::vector<Value>> outputs);

  size_t step_;
};

// What a program is made with: it asks here for each method that it calls.
class ProgramSetup {
 public:
  // `name` is that of a runner of the service, whose method is `run`, or `runner.method`. One that
  // isn't there is reported when the server starts, and by `tiffin check`.
  virtual RunnerHandle Runner(std::string_view name) = 0;
  // What that method takes and gives, as long as the program is made. Null where it isn't there.
  virtual const MethodSignature* Signature(std::string_view name) = 0;

 protected:
  ~ProgramSetup() = default;
};

// One request, checked against the types of the API.
struct ProgramRequest {
  std::vector<Value> inputs;  // In the order of the API's, rows first.
  int64_t rows = 1;           // Of each input, and of each output.
  std::string_view service;
  std::string_view api;
  std::string request_id;
  TraceContext trace = {};
  absl::Time deadline;  // By Clock::Monotonic(). No call is started after it.
};

// The code of an API. Owned by the plan and shared by all requests and loops: immutable, or
// thread-safe. It runs on a loop's thread, where it must not block.
class Program {
 public:
  virtual ~Program() = default;
  // A coroutine that gives the API's outputs, in order, each with the request's rows. `request`
  // outlives it.
  virtual Task<std::vector<Value>> Run(const ProgramRequest& request) const = 0;
};

// An error says what is wrong with the runners that it was given: it stops the start.
using ProgramFactory =
    std::function<absl::StatusOr<std::unique_ptr<const Program>>(ProgramSetup& setup)>;

// The factory of a class that is made from a ProgramSetup&.
template <typename P>
ProgramFactory MakeProgram() {
  return [](ProgramSetup& setup) -> absl::StatusOr<std::unique_ptr<const Program>> {
    return std::make_unique<const P>(setup);
  };
}

struct ApiDefinition {
  // As service files write it: "image", "fp32[64]", and for inputs "fp32[rows,64]".
  struct Parameter {
    std::string name;
    std::string type;
  };

  std::string service;  // That of the file that has its runners.
  std::string name;
  std::vector<Parameter> inputs;
  std::vector<Parameter> outputs;
  absl::Duration timeout = absl::Seconds(60);
  ProgramFactory make;
};

}  // namespace tiffin::gateway
