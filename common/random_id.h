#pragma once

#include <cstdint>

namespace tiffin {

// From std::random_device, so that nobody can guess it. Neither 0, which names nothing, nor above
// 2^63 - 1, so that there are names for other purposes (shm::kNoSession).
uint64_t RandomId();

}  // namespace tiffin
