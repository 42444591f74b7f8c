#pragma once

#include <opencv2/core.hpp>

#include "absl/status/statusor.h"
#include "worker/ocr/options.h"

namespace tiffin::worker {

// An image as Tesseract reads it best.
struct PreparedImage {
  cv::Mat image;  // Gray, 8 bits.
  // It is nothing but noise, and not worth reading.
  bool is_noise = false;
  // What was done.
  bool is_flattened = false;
  bool is_despeckled = false;
  double scale = 1;
  double slant_degrees = 0;
  // From pixels of `image` to those of the original.
  cv::Matx23d to_original = cv::Matx23d(1, 0, 0, 0, 1, 0);
};

// Does what the options ask for; on `auto` what the image itself calls for. INVALID_ARGUMENT for an
// image of a form, or with so much on it, that Tesseract would take very long without asking
// whether it shall go on.
absl::StatusOr<PreparedImage> PrepareImage(const cv::Mat& gray, const OcrOptions& options);

// Where a box of the prepared image lies on the original of this size.
cv::Rect ToOriginal(const PreparedImage& prepared, const cv::Rect& box, const cv::Size& original);

}  // namespace tiffin::worker
