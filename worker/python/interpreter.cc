#include "worker/python/interpreter.h"

#include <signal.h>

#include <cstdlib>
#include <string>
#include <system_error>

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::worker {
namespace {

namespace fs = std::filesystem;

// This thread's, once it has had the lock.
thread_local PyThreadState* own_state = nullptr;

Runtime runtime_now = Runtime::kGone;  // Guarded by the interpreter's lock.

// The libraries beneath numpy and others make their threads by these, when they are loaded.
constexpr const char* kThreadVariables[] = {"OMP_NUM_THREADS",     "OPENBLAS_NUM_THREADS",
                                            "MKL_NUM_THREADS",     "BLIS_NUM_THREADS",
                                            "NUMEXPR_NUM_THREADS", "RAYON_NUM_THREADS"};

// The folder of our own modules: beside the programs, in a build tree and where they are installed.
absl::StatusOr<fs::path> ModuleFolder() {
  std::error_code code;
  const fs::path program = fs::read_symlink("/proc/self/exe", code);
  const fs::path folder = program.parent_path().parent_path() / TIFFIN_PYTHON_MODULES;
  if (fs::is_regular_file(folder / "tiffin_worker.py", code)) return folder;
  return absl::FailedPreconditionError(
      StrCat("no Python modules of Tiffin's in ", folder.native(),
             ", where they belong beside this program; build it, or install it, again"));
}

absl::Status StatusOf(const PyStatus& status) {
  if (PyStatus_Exception(status) == 0) return absl::OkStatus();
  return absl::InternalError(StrCat(
      "Python does not start: ", status.err_msg == nullptr ? "no reason given" : status.err_msg));
}

// Cleared on destruction.
class Config {
 public:
  Config() { PyConfig_InitIsolatedConfig(&config_); }
  ~Config() { PyConfig_Clear(&config_); }
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;

  absl::Status Set(wchar_t* PyConfig::*field, const std::string& value) {
    return StatusOf(PyConfig_SetBytesString(&config_, &(config_.*field), value.c_str()));
  }
  PyConfig& get() { return config_; }

 private:
  PyConfig config_{};
};

absl::Status Initialize(const PythonEnvironment& environment) {
  PyPreConfig before;
  PyPreConfig_InitIsolatedConfig(&before);
  before.utf8_mode = 1;  // Whatever the locale is: containers often have none.
  RETURN_IF_ERROR(StatusOf(Py_PreInitialize(&before)));
  Config config;
  config.get().write_bytecode = 0;
  config.get().pathconfig_warnings = 0;
  // The standard library is that of this Python in any case: the environment may have been made by
  // another build of the same version. The environment's packages follow from the executable.
  RETURN_IF_ERROR(config.Set(&PyConfig::home, TIFFIN_PYTHON_HOME));
  RETURN_IF_ERROR(config.Set(&PyConfig::executable, environment.executable.native()));
  return StatusOf(Py_InitializeFromConfig(&config.get()));
}

}  // namespace

absl::Status StartInterpreter(const PythonEnvironment& environment, int threads) {
  if (Py_IsInitialized() != 0) {
    const WithGil gil;
    const auto executable = py::module_::import("sys").attr("executable").cast<std::string>();
    if (executable == environment.executable.native()) return absl::OkStatus();
    return absl::FailedPreconditionError(StrCat("this process has Python with ", executable,
                                                " already, and can't have ",
                                                environment.executable.native()));
  }
  ASSIGN_OR_RETURN(const fs::path modules, ModuleFolder());
  for (const char* variable : kThreadVariables) {
    ::setenv(variable, std::to_string(threads).c_str(), /*overwrite=*/1);
  }
  // Python does so, where it may handle signals: a reader that is gone is an error, not the end.
  ::signal(SIGPIPE, SIG_IGN);
  RETURN_IF_ERROR(Initialize(environment));
  // Ours come before those of the environment, which may have other versions.
  py::module_::import("sys").attr("path").attr("insert")(0, modules.native());
  own_state = PyEval_SaveThread();
  return absl::OkStatus();
}

void SetRuntime(Runtime runtime) { runtime_now = runtime; }
bool IsRuntimeThere() { return runtime_now == Runtime::kThere; }

WithGil::WithGil() {
  if (own_state == nullptr) own_state = PyThreadState_New(PyInterpreterState_Main());
  PyEval_RestoreThread(own_state);
}

WithGil::~WithGil() { PyEval_SaveThread(); }

}  // namespace tiffin::worker
