#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// TorchScript models (one *.pt, *.pth or *.ts file, as torch.jit.save writes it), on the CPU. Files
// of torch.save, which are pickles, and packages of AOTInductor, which are native code, are
// refused.
//
// `run`: the model's `forward`. The declared signature has to name the inputs' types, for the file
// does not. Inputs are arguments of `forward`: by name if each has the name of one, else by
// position; an empty name becomes the argument's. Outputs, if none are declared, are found by
// running zeros (32 and 48 stand for a -1): a tensor, a tuple or list of them, or a dict from text;
// a single float vector is called `scores`, others `output0` and so on, or as the dict or named
// tuple calls them. There are no options.
//
// Inputs are read where they lie; those that the model may write into are copied first.
//
// INVALID_ARGUMENT from Run: the model raised an exception of its own, or failed where its
// signature leaves sizes or indices open; other failures are INTERNAL.
absl::StatusOr<std::unique_ptr<Backend>> CreateTorchBackend(const BackendConfig& config);

}  // namespace tiffin::worker
