#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "common/keys/key.h"
#include "nlohmann/json.hpp"

namespace tiffin::worker {

enum class ImageColor { kGray, kRgb, kBgr };
enum class ImageLayout { kFlat, kHwc, kChw };

struct ImageSize {
  int64_t width = 0;
  int64_t height = 0;
};

// The options of the image backend, as a service file gives them; ImageKeys() says what they mean.
struct ImageOptions {
  ImageColor color;
  std::optional<ImageSize> size;  // None: each image keeps its own.
  double scale;
  ImageLayout layout;
  int64_t max_pixels;

  int64_t channels() const { return color == ImageColor::kGray ? 1 : 3; }
};

std::span<const keys::Key> ImageKeys();

// INVALID_ARGUMENT names the option and what it may be.
absl::StatusOr<ImageOptions> ParseImageOptions(const nlohmann::json& options);

}  // namespace tiffin::worker
