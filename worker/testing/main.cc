#include "worker/runtime/backend.h"
#include "worker/testing/backend.h"

int main(int argc, char** argv) {
  return tiffin::worker::WorkerMain(argc, argv, "testing", tiffin::worker::CreateTestingBackend);
}
