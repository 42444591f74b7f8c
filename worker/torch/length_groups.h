#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace tiffin::worker {

// What a model is given in one run, padding included: it bounds the memory that a call of many rows
// takes, and is far above where larger runs are faster.
inline constexpr size_t kTokensAtOnce = 8192;
// What a run costs whatever it is given, in tokens: about as long as the encoders that were
// measured take for that many.
inline constexpr size_t kTokensPerRun = 32;

// Texts by their lengths in tokens, as indices into `lengths`: those of a group are run together,
// padded to the longest of them. Of all ways to do that within kTokensAtOnce (a text by itself may
// be longer), the one that costs least: each token and each padding 1, each run kTokensPerRun.
std::vector<std::vector<size_t>> GroupByLength(std::span<const size_t> lengths);

}  // namespace tiffin::worker
