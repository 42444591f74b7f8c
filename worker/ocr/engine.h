#pragma once

#include <functional>
#include <memory>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/ocr/options.h"

namespace tesseract {
class TessBaseAPI;
}

namespace tiffin::worker {

// A word as it was read, in the pixels of the image that was given to the engine.
struct ReadWord {
  std::string text;
  double confidence = 0;  // 0 to 1.
  cv::Rect box;
  bool ends_line = false;
};

// One Tesseract with its languages loaded. Used by one thread at a time; several engines may read
// at the same time.
class Engine {
 public:
  // INVALID_ARGUMENT names the language whose data is missing, and those that are there.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(const OcrOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Reads `image`, gray with 8 bits a pixel and sides of at most 32767. `proceed` is
  // asked between lines; an error of it ends the reading and is returned. What Tesseract makes of
  // an image does not depend on those that it has read before.
  absl::StatusOr<std::vector<ReadWord>> Read(const cv::Mat& image,
                                             const std::function<absl::Status()>& proceed);

 private:
  explicit Engine(const OcrOptions& options);
  absl::Status Start();
  absl::StatusOr<std::vector<ReadWord>> ReadUnguarded(const cv::Mat& image,
                                                      const std::function<absl::Status()>& proceed);
  // What was read last, on `image`.
  std::vector<ReadWord> Words(const cv::Mat& image);

  const OcrOptions options_;
  // Null after something was thrown through it: nobody knows what it left behind.
  std::unique_ptr<tesseract::TessBaseAPI> api_;
};

}  // namespace tiffin::worker
