#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"

namespace tiffin::worker {

// The most pixels that a backend decodes unless its option `max_pixels` says otherwise, and the
// most that the option may say: OpenCV decodes no image beyond.
inline constexpr int64_t kDefaultMaxPixels = int64_t{1} << 25;
inline constexpr int64_t kMostPixels = int64_t{1} << 30;

// What an encoded image says of itself, read without decoding a pixel: so that a limit on the
// pixels holds before memory is spent on them.
struct EncodedImage {
  int64_t width = 0;
  int64_t height = 0;
  // It may have transparent pixels.
  bool has_alpha = false;
};

// Reads the header and walks the container to its end. INVALID_ARGUMENT for what is no PNG, JPEG,
// WebP or BMP, for a file that ends before its end marker (decoders return such an image half
// empty, with a warning at most), and for animations.
absl::StatusOr<EncodedImage> InspectImage(std::span<const std::byte> bytes);

}  // namespace tiffin::worker
