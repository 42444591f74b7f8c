#include "worker/runtime/backend.h"
#include "worker/testing/backend.h"
#include "worker/testing/options.h"

int main(int argc, char** argv) {
  return tiffin::worker::WorkerMain(argc, argv, "testing", tiffin::worker::TestingKeys(),
                                    tiffin::worker::CreateTestingBackend);
}
