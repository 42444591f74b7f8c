#include <unistd.h>

#include <cstdio>

#include "worker/python/backend.h"
#include "worker/runtime/backend.h"

int main(int argc, char** argv) {
  const int code = tiffin::worker::WorkerMain(argc, argv, "python", /*options=*/{},
                                              tiffin::worker::CreatePythonBackend);
  // Not by exit(): threads that Python made may still run, and would find what it destroys gone.
  std::fflush(nullptr);
  _exit(code);
}
