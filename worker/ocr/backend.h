#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// `{backend: ocr}`: an encoded image (PNG, JPEG, WebP or BMP) in, the text on it out, by Tesseract.
// Options: worker/ocr/options.h.
//
// `run(image) -> text`: the lines of the text joined by newlines, words by one space; empty lines
// and what is around it are left out. An image without text has the text "".
// `words(image) -> text, words`: also the words in the same order, as a JSON list of {"text",
// "confidence": 0 to 1, "box": [x, y, width, height]}; boxes are in pixels of the image, turned as
// EXIF says.
//
// As many images are read at the same time as the worker has threads, each by an engine of its own
// on one thread. An image gives the same text whatever was read before it.
//
// INVALID_ARGUMENT for what is not a whole, still image of at most `max_pixels` pixels;
// DEADLINE_EXCEEDED after `time_limit`; CANCELLED for an abandoned call. Time and abandonment are
// looked at after decoding, after the preparation and between words: each of these, and Tesseract's
// search for lines (up to about 2 s, of an image full of marks), goes on to its end.
absl::StatusOr<std::unique_ptr<Backend>> CreateOcrBackend(const BackendConfig& config);

}  // namespace tiffin::worker
