#include "worker/image/backend.h"
#include "worker/image/options.h"
#include "worker/runtime/backend.h"

int main(int argc, char** argv) {
  return tiffin::worker::WorkerMain(argc, argv, "image", tiffin::worker::ImageKeys(),
                                    tiffin::worker::CreateImageBackend);
}
