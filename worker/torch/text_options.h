#pragma once

#include <cstddef>
#include <span>

#include "absl/status/statusor.h"
#include "common/keys/key.h"
#include "worker/runtime/backend.h"
#include "worker/torch/tokenizer/tokenizer.h"

namespace tiffin::worker {

// How a text becomes the numbers of its tokens.
struct TextOptions {
  Tokenizer tokenizer;
  // In tokens, special ones included.
  size_t max_length = 0;
};

// The options of text models; models of tensors have none.
std::span<const keys::Key> TextKeys();

// True if there is a tokenizer.json or a vocab.txt among the model's files.
bool HasTokenizer(const BackendConfig& config);
// Reads the tokenizer, tokenizer.json where both are there, and the options. INVALID_ARGUMENT names
// what is wrong and the fix.
absl::StatusOr<TextOptions> ReadTextOptions(const BackendConfig& config);

}  // namespace tiffin::worker
