// The options of the image and ocr backends, as JSON. What is accepted is within its limits; what
// is refused says what the option may be, and can be printed.
#include <cmath>

#include "nlohmann/json.hpp"
#include "tests/fuzz/fuzz.h"
#include "worker/image/options.h"
#include "worker/ocr/options.h"

namespace tiffin::worker {
namespace {

using fuzz::Require;

void CheckStatus(const absl::Status& status) {
  if (status.ok()) return;
  Require(absl::IsInvalidArgument(status), "a bad option is INVALID_ARGUMENT");
  // Throws on text that is not UTF-8; a worker prints errors as JSON.
  (void)nlohmann::json(status.message().data()).dump();
  Require(status.message().size() <= 1024, "an error has at most 1 KiB");
}

void Check(std::string_view text) {
  const auto json = nlohmann::json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return;
  const absl::StatusOr<ImageOptions> image = ParseImageOptions(json);
  CheckStatus(image.status());
  if (image.ok()) {
    Require(image->max_pixels >= 1 && image->max_pixels <= kMostPixels, "pixels have a limit");
    Require(std::isfinite(static_cast<float>(image->scale)), "a pixel's scale is a number");
    Require(
        !image->size.has_value() || (image->size->width >= 1 && image->size->height >= 1 &&
                                     image->size->width <= 16384 && image->size->height <= 16384),
        "an image's size is one");
  }
  const absl::StatusOr<OcrOptions> ocr = ParseOcrOptions(json);
  CheckStatus(ocr.status());
  if (ocr.ok()) {
    Require(ocr->max_pixels >= 1 && ocr->max_pixels <= kMostPixels, "pixels have a limit");
    Require(ocr->min_confidence >= 0 && ocr->min_confidence <= 1, "confidence is a share");
    Require(ocr->time_limit > absl::ZeroDuration(), "there is time to read");
    Require(!ocr->languages.empty(), "there is a language");
  }
}

}  // namespace
}  // namespace tiffin::worker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::worker::Check(tiffin::fuzz::Input(data, size).Rest());
  return 0;
}
