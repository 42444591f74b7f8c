#pragma once

#include <cstdint>
#include <functional>
#include <opencv2/core.hpp>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tiffin::worker {

// An encoded image (PNG, JPEG, WebP or BMP) as 8 bits a channel, gray or BGR; turned as EXIF says
// (JPEG, and PNG without transparency), transparent pixels laid over white. INVALID_ARGUMENT for
// what is not a whole, still image of at most `max_pixels` pixels. May be called from several
// threads, within CatchOpenCv.
absl::StatusOr<cv::Mat> DecodeImage(std::string_view encoded, int64_t max_pixels);

// Runs `run`, and turns what is thrown in it, about memory above all, into a status. `backend` is
// its name, for the messages.
absl::Status CatchOpenCv(std::string_view backend, const std::function<absl::Status()>& run);

// Before the first image: how many threads one call of OpenCV may use, and no log of its own.
absl::Status StartOpenCv(std::string_view backend, int threads);

}  // namespace tiffin::worker
