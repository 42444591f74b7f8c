#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "worker/python/environment.h"
#include "worker/python/python.h"

namespace tiffin::worker {

// Starts CPython, of which a process has one, and which stays until the process ends: threads that
// Python made may run as long. It takes nothing from the environment's variables, writes no
// bytecode, touches no signal, and computes with `threads` threads. Later calls do nothing, and
// must ask for the same environment.
absl::Status StartInterpreter(const PythonEnvironment& environment, int threads);

// Whether the worker's runtime is there, its log and its segments: Python's threads and objects may
// outlive it. With the interpreter's lock.
enum class Runtime { kThere, kGone };
void SetRuntime(Runtime runtime);
bool IsRuntimeThere();

// Holds the interpreter's lock, as long as it lives. Each thread keeps its Python's state from the
// first one to its end, so that what is the thread's own in Python outlives a call. Not nested.
class WithGil {
 public:
  WithGil();
  ~WithGil();
  WithGil(const WithGil&) = delete;
  WithGil& operator=(const WithGil&) = delete;
};

}  // namespace tiffin::worker
