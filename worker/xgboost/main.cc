#include "worker/runtime/backend.h"
#include "worker/xgboost/backend.h"

int main(int argc, char** argv) {
  return tiffin::worker::WorkerMain(argc, argv, "xgboost", /*options=*/{},
                                    tiffin::worker::CreateXgboostBackend);
}
