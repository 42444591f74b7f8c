#include "worker/runtime/batch_inputs.h"

#include <cstring>
#include <utility>

namespace tiffin::worker {

BatchInputs::BatchInputs(std::span<const std::shared_ptr<QueuedCall>> calls) {
  for (const auto& call : calls) rows_ += call->rows;
  const std::vector<TensorView>& first = calls.front()->inputs;
  views_ = first;
  if (calls.size() == 1) return;
  for (size_t input = 0; input < first.size(); ++input) {
    size_t size = 0;
    for (const auto& call : calls) size += call->inputs[input].bytes.size();
    AlignedBuffer memory(size);
    std::byte* to = memory.bytes().data();
    for (const auto& call : calls) {
      const std::span<const std::byte> bytes = call->inputs[input].bytes;
      if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
      to += bytes.size();
    }
    TensorView& gathered = gathered_.emplace_back(first[input]);
    gathered.shape[0] = rows_;
    gathered.bytes = memory.bytes();
    memory_.push_back(std::move(memory));
  }
  views_ = gathered_;
}

}  // namespace tiffin::worker
