#pragma once

#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>
#include <torch/csrc/jit/api/module.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// A TorchScript module in evaluation mode, ready to run its `forward`. For one thread at a time.
// Only sources of this folder may include this header: LibTorch brings a protobuf of its own.
class ScriptModule {
 public:
  struct Answer {
    // One for each tensor if the model names its outputs, else empty.
    std::vector<std::string> names;
    // The names are the keys of a dict, whose order means nothing.
    bool is_dict = false;
    std::vector<at::Tensor> tensors;
  };

  // INVALID_ARGUMENT names the file, or the device that is not there, and the fix. Sets LibTorch's
  // threads, for the whole process.
  static absl::StatusOr<ScriptModule> Load(const std::filesystem::path& file,
                                           const BackendConfig& config);

  const c10::Device& device() const { return device_; }

  // Of `forward`, without self.
  const std::vector<std::string>& argument_names() const { return argument_names_; }
  // Whether the argument is a tensor, and whether it may be left out.
  bool TakesTensor(size_t argument) const;
  bool HasDefault(size_t argument) const;
  // True unless alias analysis proves that running never writes into the argument's memory.
  bool MayWriteInto(size_t argument) const { return may_write_into_[argument]; }

  // Runs `forward`. `tensors` are given as the arguments whose numbers stand at the same place in
  // `arguments`; the others have their defaults. The tensors, and those of the answer, are in the
  // CPU's memory, whatever the device. An exception of the model is INVALID_ARGUMENT,
  // other failures INTERNAL, want of memory RESOURCE_EXHAUSTED.
  absl::StatusOr<Answer> Run(const std::vector<size_t>& arguments, std::vector<at::Tensor> tensors);

 private:
  ScriptModule(torch::jit::Module module, c10::Device device);

  torch::jit::Module module_;
  c10::Device device_;
  // Of module_.
  torch::jit::Function* forward_;
  std::vector<std::string> argument_names_;
  std::vector<bool> may_write_into_;
};

}  // namespace tiffin::worker
