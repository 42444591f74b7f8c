#include "worker/ocr/backend.h"
#include "worker/ocr/options.h"
#include "worker/runtime/backend.h"

int main(int argc, char** argv) {
  return tiffin::worker::WorkerMain(argc, argv, "ocr", tiffin::worker::OcrKeys(),
                                    tiffin::worker::CreateOcrBackend);
}
