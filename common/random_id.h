#pragma once

#include <cstdint>

namespace tiffin {

// From the kernel, so that nobody can guess it. Neither 0 nor above 2^63 - 1.
uint64_t RandomId();

}  // namespace tiffin
