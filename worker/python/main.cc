#include "worker/python/backend.h"
#include "worker/runtime/backend.h"

int main(int argc, char** argv) {
  return tiffin::worker::WorkerMain(argc, argv, "python", /*options=*/{},
                                    tiffin::worker::CreatePythonBackend);
}
