#include "worker/runtime/backend.h"
#include "worker/torch/backend.h"
#include "worker/torch/text_options.h"

int main(int argc, char** argv) {
  return tiffin::worker::WorkerMain(argc, argv, "torch", tiffin::worker::TextKeys(),
                                    tiffin::worker::CreateTorchBackend);
}
