#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
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

// The options of the ocr backend, as a service file gives them.
struct OcrOptions {
  // `languages: [eng, deu]`: Tesseract's names, the main one first. Each needs its data, on Debian
  // the package tesseract-ocr-NAME.
  std::vector<std::string> languages = {"eng"};
  // `page_mode: auto | single_block | single_column | single_line | single_word | sparse_text`
  PageMode page_mode = PageMode::kAuto;
  // `despeckle: auto | off`: takes specks away, if they outnumber the letters.
  Preparation despeckle = Preparation::kAuto;
  // `upscale: auto | on | off`: enlarges the image until its text is of the size that Tesseract
  // reads best, 4 times at most, and never beyond `max_pixels`. auto: if its text is less than
  // about 13 pixels high (x-height). on: also larger text, and by 2 where there is none to measure.
  Preparation upscale = Preparation::kAuto;
  // `background: auto | on | off`: divides the image by its background, so that shadows and
  // unlevel light vanish. auto: if the light is unlevel.
  Preparation background = Preparation::kAuto;
  // `deskew: auto | off`: turns the image by the few degrees by which its lines are slanted.
  Preparation deskew = Preparation::kAuto;
  // `max_pixels`: an encoded image of more is refused before it is decoded.
  int64_t max_pixels = kDefaultMaxPixels;
  // `time_limit: 30s`: an image that takes longer is given up, at the next step of its reading.
  absl::Duration time_limit = absl::Seconds(30);
  // `min_confidence`: lines whose letters Tesseract believes in less on average, of 0 to 1, are
  // dropped; 0 keeps all. 0.6 leaves nothing of photographs,
  // but loses text that is badly blurred.
  double min_confidence = 0.2;
};

// INVALID_ARGUMENT names the option and what it may be.
absl::StatusOr<OcrOptions> ParseOcrOptions(const nlohmann::json& options);

}  // namespace tiffin::worker
