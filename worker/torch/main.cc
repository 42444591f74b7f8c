#include "worker/runtime/backend.h"
#include "worker/torch/backend.h"

int main(int argc, char** argv) {
  return tiffin::worker::WorkerMain(argc, argv, "torch", tiffin::worker::CreateTorchBackend);
}
