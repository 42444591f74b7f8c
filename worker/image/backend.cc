#include "worker/image/backend.h"

#include <algorithm>
#include <cstdlib>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/signature.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/tensor.h"
#include "worker/image/options.h"
#include "worker/imaging/decode.h"

namespace tiffin::worker {
namespace {

// The shape of one row of features; `width` and `height` are -1 where images keep their own.
Shape FeatureShape(const ImageOptions& options, int64_t width, int64_t height) {
  switch (options.layout) {
    case ImageLayout::kFlat:
      return {width < 0 ? -1 : width * height * options.channels()};
    case ImageLayout::kHwc:
      return {height, width, options.channels()};
    case ImageLayout::kChw:
      return {options.channels(), height, width};
  }
  std::abort();
}

Signature MakeSignature(const ImageOptions& options) {
  const ImageSize size = options.size.value_or(ImageSize{-1, -1});
  MethodSignature run;
  run.inputs = {{"image", SingleType(ValueKind::kImage)}};
  run.outputs = {
      {"features", TensorType(DataType::kFp32, FeatureShape(options, size.width, size.height))}};
  run.batchable = options.size.has_value();
  return {{std::string(kDefaultMethod), run}};
}

cv::Mat ToColor(const cv::Mat& image, ImageColor color) {
  const bool is_gray = image.channels() == 1;
  int code = 0;
  switch (color) {
    case ImageColor::kGray:
      if (is_gray) return image;
      code = cv::COLOR_BGR2GRAY;
      break;
    case ImageColor::kRgb:
      code = is_gray ? cv::COLOR_GRAY2RGB : cv::COLOR_BGR2RGB;
      break;
    case ImageColor::kBgr:
      if (!is_gray) return image;
      code = cv::COLOR_GRAY2BGR;
      break;
  }
  cv::Mat converted;
  cv::cvtColor(image, converted, code);
  return converted;
}

cv::Mat Resize(cv::Mat image, ImageSize wanted) {
  const cv::Size size(static_cast<int>(wanted.width), static_cast<int>(wanted.height));
  // Area averaging is right only for sides that shrink: these first, then those that grow.
  const cv::Size shrunk(std::min(size.width, image.cols), std::min(size.height, image.rows));
  if (shrunk != image.size()) {
    cv::Mat smaller;
    cv::resize(image, smaller, shrunk, 0, 0, cv::INTER_AREA);
    image = smaller;
  }
  if (size != image.size()) {
    cv::Mat larger;
    cv::resize(image, larger, size, 0, 0, cv::INTER_LINEAR);
    image = larger;
  }
  return image;
}

class ImageBackend final : public Backend {
 public:
  explicit ImageBackend(const ImageOptions& options)
      : options_(options), signature_(MakeSignature(options)) {}

  const Signature& signature() const override { return signature_; }

  absl::Status Run(const Invocation& invocation, Outputs& outputs) override {
    return CatchOpenCv("image", [&] { return RunUnguarded(invocation, outputs); });
  }

 private:
  absl::Status RunUnguarded(const Invocation& invocation, Outputs& outputs) {
    ASSIGN_OR_RETURN(const std::vector<std::string_view> images,
                     ParseBytesElements(invocation.inputs[0].bytes));
    if (static_cast<int64_t>(images.size()) != invocation.rows) {
      return absl::InvalidArgumentError(StrCat("input 'image' has ", images.size(),
                                               " elements where there are ", invocation.rows,
                                               " rows"));
    }
    if (!options_.size.has_value()) {
      ASSIGN_OR_RETURN(const cv::Mat pixels, Pixels(images[0]));
      return WriteRow(pixels, FeatureShape(options_, pixels.cols, pixels.rows), outputs);
    }
    return RunRows(images, outputs);
  }

  // One row without a row dimension.
  absl::Status WriteRow(const cv::Mat& pixels, const Shape& shape, Outputs& outputs) {
    ASSIGN_OR_RETURN(const uint64_t size, ByteSize(DataType::kFp32, shape));
    ASSIGN_OR_RETURN(const std::span<std::byte> memory,
                     outputs.Allocate(0, DataType::kFp32, shape, size));
    WriteFeatures(pixels, reinterpret_cast<float*>(memory.data()));
    return absl::OkStatus();
  }

  absl::Status RunRows(const std::vector<std::string_view>& images, Outputs& outputs) {
    Shape shape = FeatureShape(options_, options_.size->width, options_.size->height);
    ASSIGN_OR_RETURN(const int64_t row_elements, ElementCount(shape));
    shape.insert(shape.begin(), static_cast<int64_t>(images.size()));
    ASSIGN_OR_RETURN(const uint64_t size, ByteSize(DataType::kFp32, shape));
    ASSIGN_OR_RETURN(const std::span<std::byte> memory,
                     outputs.Allocate(0, DataType::kFp32, shape, size));
    auto* row = reinterpret_cast<float*>(memory.data());
    for (size_t i = 0; i < images.size(); ++i, row += row_elements) {
      absl::StatusOr<cv::Mat> pixels = Pixels(images[i]);
      if (!pixels.ok()) {
        if (images.size() == 1) return pixels.status();
        return absl::Status(pixels.status().code(),
                            StrCat("row ", i, ": ", Message(pixels.status())));
      }
      WriteFeatures(*pixels, row);
    }
    return absl::OkStatus();
  }

  // Decoded, in the wanted color and size: 8 bits a channel.
  absl::StatusOr<cv::Mat> Pixels(std::string_view encoded) const {
    ASSIGN_OR_RETURN(cv::Mat image, DecodeImage(encoded, options_.max_pixels));
    image = ToColor(image, options_.color);
    if (options_.size.has_value()) image = Resize(std::move(image), *options_.size);
    return image;
  }

  // Scales and lays out `pixels` into as many floats from `row` on.
  void WriteFeatures(const cv::Mat& pixels, float* row) const {
    const int channels = pixels.channels();
    if (options_.layout != ImageLayout::kChw || channels == 1) {
      cv::Mat target(pixels.rows, pixels.cols, CV_32FC(channels), row);
      pixels.convertTo(target, CV_32F, options_.scale);
      return;
    }
    const size_t plane = pixels.total();
    std::vector<cv::Mat> planes;
    cv::split(pixels, planes);
    for (size_t c = 0; c < planes.size(); ++c) {
      cv::Mat target(pixels.rows, pixels.cols, CV_32F, row + c * plane);
      planes[c].convertTo(target, CV_32F, options_.scale);
    }
  }

  ImageOptions options_;
  Signature signature_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> CreateImageBackend(const BackendConfig& config) {
  if (!config.model_dir.empty()) {
    return absl::InvalidArgumentError(
        "the image backend takes no model; write `backend: image` with its options");
  }
  ASSIGN_OR_RETURN(const ImageOptions options, ParseImageOptions(config.options));
  RETURN_IF_ERROR(StartOpenCv("image", config.threads));
  return std::make_unique<ImageBackend>(options);
}

}  // namespace tiffin::worker
