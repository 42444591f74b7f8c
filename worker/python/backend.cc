#include "worker/python/backend.h"

#include <algorithm>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/log/log.h"
#include "common/signature.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/python/call.h"
#include "worker/python/environment.h"
#include "worker/python/interpreter.h"
#include "worker/python/port.h"
#include "worker/python/results.h"

namespace tiffin::worker {
namespace {

constexpr char kGlue[] = "tiffin_worker";

// What was thrown, normalised and with its traceback; the thrown object has nothing of it any more.
py::object ExceptionOf(py::error_already_set& error) {
  py::object value = error.value();
  if (error.trace()) PyException_SetTraceback(value.ptr(), error.trace().ptr());
  return value;
}

absl::StatusCode CodeNamed(std::string_view name) {
  for (int number = 1; number <= 16; ++number) {
    const auto code = static_cast<absl::StatusCode>(number);
    if (name == absl::StatusCodeToString(code)) return code;
  }
  return absl::StatusCode::kInternal;
}

// Runs `run`, at the edge where Python's exceptions become a status.
template <typename Run>
auto Guarded(const Run& run) -> decltype(run()) {
  try {
    return run();
  } catch (const py::error_already_set& error) {
    return absl::InternalError(StrCat("Python: ", error.what()));
  } catch (const std::exception& error) {
    return absl::InternalError(StrCat("Python: ", error.what()));
  }
}

absl::StatusOr<Port> ReadPort(const py::handle& port, std::string_view where) {
  const auto name = port.attr("name").cast<std::string>();
  absl::StatusOr<ValueType> type = ParseValueType(port.attr("type").cast<std::string>());
  if (!type.ok()) {
    return absl::InvalidArgumentError(StrCat(where, ": '", name, "': ", Message(type.status())));
  }
  Port read{
      .spec = {.name = name, .type = *std::move(type)}, .dtype = py::none(), .decoder = py::none()};
  if (read.is_tensor()) {
    read.dtype = py::module_::import("tiffin.runner")
                     .attr("numpy_type")(ToLower(DataTypeName(read.spec.type.dtype)));
  }
  const py::object image = port.attr("image");
  if (!image.is_none()) read.decoder = image.attr("decode");
  return read;
}

absl::StatusOr<std::vector<Port>> ReadPorts(const py::handle& ports, std::string_view where) {
  std::vector<Port> read;
  for (const py::handle& port : ports) {
    ASSIGN_OR_RETURN(read.emplace_back(), ReadPort(port, where));
  }
  return read;
}

bool HasTensors(const PythonMethod& method) {
  const auto is_tensor = [](const Port& port) { return port.is_tensor(); };
  return std::any_of(method.inputs.begin(), method.inputs.end(), is_tensor) ||
         std::any_of(method.outputs.begin(), method.outputs.end(), is_tensor);
}

std::vector<TensorSpec> SpecsOf(const std::vector<Port>& ports) {
  std::vector<TensorSpec> specs;
  for (const Port& port : ports) specs.push_back(port.spec);
  return specs;
}

// The call that tiffin.context() tells of, from here to its destruction.
class CurrentCall {
 public:
  CurrentCall(const py::object& variable, const py::object& context_class,
              const Invocation& invocation, Results& results)
      : variable_(variable), call_(std::make_shared<Call>(invocation, results)) {
    const py::object context = context_class(call_);
    token_ = py::reinterpret_steal<py::object>(PyContextVar_Set(variable_.ptr(), context.ptr()));
    if (!token_) throw py::error_already_set();
  }
  ~CurrentCall() {
    call_->End();
    if (token_) PyContextVar_Reset(variable_.ptr(), token_.ptr());
  }
  CurrentCall(const CurrentCall&) = delete;
  CurrentCall& operator=(const CurrentCall&) = delete;

 private:
  const py::object& variable_;
  const std::shared_ptr<Call> call_;  // Shared with Python's code, which may keep it.
  py::object token_;
};

class PythonBackend final : public Backend {
 public:
  PythonBackend() = default;
  ~PythonBackend() override {
    const WithGil gil;
    const absl::Status finished = Guarded([&] {
      py::module_::import(kGlue).attr("finish")(runner_ ? runner_ : py::none());
      return absl::OkStatus();
    });
    if (!finished.ok()) log::Write(log::Level::kError, "python_exception", Message(finished));
    SetRuntime(Runtime::kGone);
    // While the lock is held.
    methods_.clear();
    runner_ = py::object();
    glue_ = py::object();
    context_ = py::object();
  }

  // With the interpreter's lock.
  absl::Status Load(const BackendConfig& config);

  const Signature& signature() const override { return signature_; }

  absl::Status Run(const Invocation& invocation, Outputs& outputs) override {
    const WithGil gil;
    return Guarded([&] { return RunLocked(invocation, outputs); });
  }

 private:
  absl::Status ReadMethods();
  absl::Status RunLocked(const Invocation& invocation, Outputs& outputs);
  // That nobody refers to memory any more which is about to be others'.
  absl::Status CheckNothingIsKept(const Invocation& invocation, const Results& results,
                                  std::span<const LentInput> lent);
  absl::Status CallMethod(const PythonMethod& method, const Invocation& invocation,
                          Results& results, std::vector<LentInput>& lent);
  // A call that failed by an exception.
  absl::Status Explain(py::error_already_set& error);
  void FollowLogLevel();

  py::object glue_;
  py::object runner_;
  py::object context_;  // The context variable of the call under way.
  bool logs_debug_ = false;
  std::map<std::string, PythonMethod, std::less<>> methods_;
  Signature signature_;
};

absl::Status PythonBackend::Load(const BackendConfig& config) {
  SetRuntime(Runtime::kThere);
  logs_debug_ = log::Enabled(log::Level::kDebug);
  glue_ = py::module_::import(kGlue);
  glue_.attr("start")(logs_debug_);
  context_ = py::module_::import("tiffin.runner").attr("_current");
  try {
    runner_ = glue_.attr("load")(config.source->file.native(), config.source->class_name,
                                 config.options.dump());
  } catch (py::error_already_set& error) {
    if (!error.matches(glue_.attr("StartError"))) throw;
    return absl::InvalidArgumentError(std::string(py::str(error.value())));
  }
  return ReadMethods();
}

absl::Status PythonBackend::ReadMethods() {
  std::shared_ptr<const Numpy> numpy;
  for (const auto& [key, read] : py::dict(runner_.attr("methods"))) {
    const auto name = key.cast<std::string>();
    const auto where = runner_.attr("where")(key).cast<std::string>();
    PythonMethod method;
    method.function = runner_.attr("bound")(key);
    method.batchable = read.attr("batchable").cast<bool>();
    ASSIGN_OR_RETURN(method.inputs, ReadPorts(read.attr("inputs"), where));
    ASSIGN_OR_RETURN(method.outputs, ReadPorts(read.attr("outputs"), where));
    if (HasTensors(method)) {
      if (numpy == nullptr) numpy = std::make_shared<const Numpy>(Numpy::Import());
      method.numpy = numpy;
    }
    signature_[name] = {.inputs = SpecsOf(method.inputs),
                        .outputs = SpecsOf(method.outputs),
                        .batchable = method.batchable,
                        .retry_safe = read.attr("retry_safe").cast<bool>()};
    methods_[name] = std::move(method);
  }
  return absl::OkStatus();
}

void PythonBackend::FollowLogLevel() {
  const bool logs_debug = log::Enabled(log::Level::kDebug);
  if (std::exchange(logs_debug_, logs_debug) != logs_debug) glue_.attr("set_debug")(logs_debug);
}

absl::Status PythonBackend::Explain(py::error_already_set& error) {
  return Guarded([&] {
    const auto explained = glue_.attr("explain")(ExceptionOf(error)).cast<py::tuple>();
    return absl::Status(CodeNamed(explained[0].cast<std::string>()),
                        explained[1].cast<std::string>());
  });
}

absl::Status PythonBackend::CallMethod(const PythonMethod& method, const Invocation& invocation,
                                       Results& results, std::vector<LentInput>& lent) {
  const CurrentCall current(context_, glue_.attr("CallContext"), invocation, results);
  try {
    py::tuple arguments(method.inputs.size());
    for (size_t i = 0; i < method.inputs.size(); ++i) {
      ASSIGN_OR_RETURN(arguments[i], ToPython(method, i, invocation.inputs[i], lent));
    }
    return results.Write(method.function(*arguments));
  } catch (py::error_already_set& error) {
    return Explain(error);
  }
}

absl::Status PythonBackend::CheckNothingIsKept(const Invocation& invocation, const Results& results,
                                               std::span<const LentInput> lent) {
  const auto find = [&] {
    std::vector<std::pair<std::string_view, const LentMemory*>> kept = results.Kept();
    for (const LentInput& input : lent) {
      if (input.memory.IsKept()) kept.emplace_back(input.name, &input.memory);
    }
    return kept;
  };
  auto kept = find();
  // What refers to itself, an exception's frames for instance, goes when it is looked for.
  for (const int generation : {0, 2}) {
    if (kept.empty()) return absl::OkStatus();
    py::module_::import("gc").attr("collect")(generation);
    kept = find();
  }
  if (kept.empty()) return absl::OkStatus();
  if (invocation.keep != nullptr) {
    ASSIGN_OR_RETURN(const std::shared_ptr<const void> owner, invocation.keep());
    for (const auto& [name, memory] : kept) memory->Hold(owner);
  }
  return absl::InternalError(StrCat(
      "'", kept.front().first, "' is still referred to after '", invocation.method,
      "' has returned, and its memory belongs to the call; keep a copy of it: ", kept.front().first,
      ".copy()"));
}

absl::Status PythonBackend::RunLocked(const Invocation& invocation, Outputs& outputs) {
  FollowLogLevel();
  const PythonMethod& method = methods_.find(invocation.method)->second;
  std::vector<LentInput> lent;
  Results results(method, invocation.rows, outputs);
  const absl::Status status =
      Guarded([&] { return CallMethod(method, invocation, results, lent); });
  const absl::Status kept = CheckNothingIsKept(invocation, results, lent);
  return kept.ok() ? status : kept;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> CreatePythonBackend(const BackendConfig& config) {
  if (!config.source.has_value()) {
    return absl::InvalidArgumentError(
        "the python backend runs code that a service file names; write python: \"FILE.py:CLASS\" "
        "for the runner");
  }
  ASSIGN_OR_RETURN(const PythonEnvironment environment,
                   FindEnvironment(config.source->environment));
  LinkModule();
  RETURN_IF_ERROR(StartInterpreter(environment, config.threads));
  auto backend = std::make_unique<PythonBackend>();
  {
    const WithGil gil;
    RETURN_IF_ERROR(Guarded([&] { return backend->Load(config); }));
  }
  return backend;
}

}  // namespace tiffin::worker
