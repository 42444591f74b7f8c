#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/keys/key.h"
#include "nlohmann/json.hpp"
#include "worker/imaging/encoded.h"

namespace tiffin::worker {

// How the text lies on the image: what Tesseract calls its page segmentation mode.
enum class PageMode {
  kAuto,          // Columns, blocks and lines are searched for.
  kSingleBlock,   // One block of lines of about one size.
  kSingleColumn,  // One column of lines of any size.
  kSingleLine,
  kSingleWord,
  kSparseText,  // As much text as can be found, in no order.
};

// Whether the image is prepared in some way before it is read.
enum class Preparation { kOff, kOn, kAuto };

inline constexpr char kDefaultLanguage[] = "eng";
inline constexpr absl::Duration kDefaultTimeLimit = absl::Seconds(30);
inline constexpr double kDefaultMinConfidence = 0.2;

// The options of the ocr backend, as a service file gives them; OcrKeys() says what they mean.
struct OcrOptions {
  std::vector<std::string> languages = {kDefaultLanguage};
  PageMode page_mode = PageMode::kAuto;
  Preparation despeckle = Preparation::kAuto;
  Preparation upscale = Preparation::kAuto;
  Preparation background = Preparation::kAuto;
  Preparation deskew = Preparation::kAuto;
  int64_t max_pixels = kDefaultMaxPixels;
  absl::Duration time_limit = kDefaultTimeLimit;
  double min_confidence = kDefaultMinConfidence;

  friend bool operator==(const OcrOptions&, const OcrOptions&) = default;
};

std::span<const keys::Key> OcrKeys();

// INVALID_ARGUMENT names the option and what it may be.
absl::StatusOr<OcrOptions> ParseOcrOptions(const nlohmann::json& options);

}  // namespace tiffin::worker
