#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// TorchScript models (one *.pt, *.pth or *.ts file, as torch.jit.save writes it), on the
// configuration's device: the model is loaded there, and each call's inputs and outputs are moved.
// Where LibTorch has no such device, that is INVALID_ARGUMENT. Files of torch.save, which are
// pickles, and packages of AOTInductor, which are native code, are refused. With a tokenizer.json
// or a vocab.txt beside it, the model classifies text.
//
// Models of tensors. `run`: the model's `forward`. The declared signature has to name the inputs'
// types, for the file does not. Inputs are arguments of `forward`: by name if each has the name of
// one, else by position; an empty name becomes the argument's. Outputs, if none are declared, are
// found by running zeros (32 and 48 stand for a -1): a tensor, a tuple or list of them, or a dict
// from text; a single float vector is called `scores`, others `output0` and so on, or as the dict
// or named tuple calls them. There are no options. Inputs are read where they lie; those that the
// model may write into are copied first.
//
// INVALID_ARGUMENT from Run: the model raised an exception of its own, or failed where its
// signature leaves sizes or indices open; other failures are INTERNAL.
//
// Classifiers of text. `run`, batchable: `text` -> `label` (text), `score` (fp32[]) and `scores`
// (fp32[labels]), the softmax of what `forward(input_ids, attention_mask)`, both int64[rows, -1],
// answers as fp32[rows, labels]; a third argument `token_type_ids` is given zeros. Of equal scores
// the first is the label. The labels are the configuration's. The signature need not be declared.
// Options: `max_length`, in tokens, special ones included (else what tokenizer.json tells); and
// with a vocab.txt `lowercase` (default true).
//
// INVALID_ARGUMENT from Run: a text is not UTF-8, or larger than 1 GiB.
absl::StatusOr<std::unique_ptr<Backend>> CreateTorchBackend(const BackendConfig& config);

}  // namespace tiffin::worker
