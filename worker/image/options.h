#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "worker/imaging/encoded.h"

namespace tiffin::worker {

enum class ImageColor { kGray, kRgb, kBgr };
enum class ImageLayout { kFlat, kHwc, kChw };

struct ImageSize {
  int64_t width = 0;
  int64_t height = 0;
};

// The options of the image backend, as a service file gives them.
struct ImageOptions {
  // `color: gray | rgb | bgr`: channels of the features and their order.
  ImageColor color = ImageColor::kRgb;
  // `size: [width, height]`: what every image is resized to; left out, each keeps its own.
  std::optional<ImageSize> size;
  // `scale`: what a pixel of 0 to 255 is multiplied by.
  double scale = 1.0;
  // `layout: flat | hwc | chw`; flat is hwc in one dimension.
  ImageLayout layout = ImageLayout::kHwc;
  // `max_pixels`: an encoded image of more is refused before it is decoded.
  int64_t max_pixels = kDefaultMaxPixels;

  int64_t channels() const { return color == ImageColor::kGray ? 1 : 3; }
};

// INVALID_ARGUMENT names the option and what it may be.
absl::StatusOr<ImageOptions> ParseImageOptions(const nlohmann::json& options);

}  // namespace tiffin::worker
