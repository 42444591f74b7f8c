#include "worker/torch/device.h"

#include <torch/cuda.h>
#include <torch/version.h>

#include <exception>

#include "absl/status/status.h"
#include "common/strings.h"

namespace tiffin::worker {
namespace {

absl::Status Missing(const std::string& name, const std::string& there) {
  return absl::InvalidArgumentError(
      StrCat("device '", name, "' is not there: LibTorch ", TORCH_VERSION, " ", there));
}

}  // namespace

absl::StatusOr<c10::Device> FindDevice(const std::string& name) {
  try {
    const c10::Device device(name);
    if (device.is_cpu()) return device;
    if (!device.is_cuda()) return Missing(name, "runs here on cpu and cuda only");
    if (!torch::cuda::is_available()) {
      return Missing(name,
                     "sees no GPU (it is built without CUDA, or there is no driver); write device: "
                     "cpu, or build Tiffin with a CUDA build of LibTorch");
    }
    const size_t count = torch::cuda::device_count();
    if (static_cast<size_t>(device.index()) < count) return device;
    return Missing(name,
                   StrCat("sees ", count, count == 1 ? " GPU" : " GPUs", ", the last of them ",
                          "cuda:", count - 1, "; name one of these, or write device: cpu"));
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(
        StrCat("device '", name, "' is none of LibTorch's; write cpu or cuda:0"));
  }
}

}  // namespace tiffin::worker
