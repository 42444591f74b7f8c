#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/torch/script_module.h"

namespace tiffin::worker {

// A module that answers rows of tokens with a number for each class. For one thread at a time.
class TokenModel {
 public:
  struct Logits {
    // Row by row.
    std::vector<float> values;
    size_t classes = 0;
  };

  // INVALID_ARGUMENT if `forward` takes other arguments than worker/torch/backend.h tells.
  static absl::StatusOr<TokenModel> Create(ScriptModule module);

  // One row or more, none of them empty. Those shorter than the longest are filled up with
  // `padding` and masked. Errors as of ScriptModule::Run, and INTERNAL for an answer of another
  // form.
  absl::StatusOr<Logits> Run(std::span<const std::vector<int64_t>> rows, int64_t padding);

  const c10::Device& device() const { return module_.device(); }

 private:
  // Which arguments of `forward` the inputs are: the ids, the mask and, if it is taken, the types.
  TokenModel(ScriptModule module, std::vector<size_t> arguments);

  ScriptModule module_;
  std::vector<size_t> arguments_;
};

}  // namespace tiffin::worker
