#include "worker/image/backend.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <limits>
#include <new>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/signature.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/tensor.h"
#include "worker/image/encoded.h"
#include "worker/image/options.h"

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

// 8 bits a channel, whatever it was.
cv::Mat ToEightBits(cv::Mat image) {
  if (image.depth() == CV_8U) return image;
  cv::Mat converted;
  image.convertTo(converted, CV_8U, image.depth() == CV_16U ? 1.0 / 257 : 1.0);
  return converted;
}

// BGR from BGRA: each pixel mixed with white by how transparent it is.
cv::Mat LayOverWhite(const cv::Mat& image) {
  cv::Mat mixed(image.rows, image.cols, CV_8UC3);
  for (int y = 0; y < image.rows; ++y) {
    const auto* from = image.ptr<cv::Vec4b>(y);
    auto* to = mixed.ptr<cv::Vec3b>(y);
    for (int x = 0; x < image.cols; ++x) {
      const int alpha = from[x][3];
      for (int c = 0; c < 3; ++c) {
        to[x][c] = static_cast<uchar>((from[x][c] * alpha + 255 * (255 - alpha) + 127) / 255);
      }
    }
  }
  return mixed;
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

// While it lives nothing comes out of std::cerr: OpenCV's decoders tell it what they think of an
// image that a caller sent, past OpenCV's own log. Nothing else in this program writes there.
class QuietErrorStream {
 public:
  QuietErrorStream() : buffer_(std::cerr.rdbuf(nullptr)) {}
  ~QuietErrorStream() {
    std::cerr.rdbuf(buffer_);
    std::cerr.clear();
  }
  QuietErrorStream(const QuietErrorStream&) = delete;
  QuietErrorStream& operator=(const QuietErrorStream&) = delete;

 private:
  std::streambuf* buffer_;
};

cv::Mat Decode(const cv::Mat& encoded, int flags) {
  const QuietErrorStream quiet;
  return cv::imdecode(encoded, flags);
}

class ImageBackend final : public Backend {
 public:
  explicit ImageBackend(const ImageOptions& options)
      : options_(options), signature_(MakeSignature(options)) {}

  const Signature& signature() const override { return signature_; }

  absl::Status Run(const Invocation& invocation, Outputs& outputs) override {
    // OpenCV says by exceptions what it dislikes, about images and about memory.
    try {
      return RunUnguarded(invocation, outputs);
    } catch (const std::bad_alloc&) {
      return absl::ResourceExhaustedError("image backend: no memory to decode this image");
    } catch (const cv::Exception& error) {
      if (error.code == cv::Error::StsNoMem) {
        return absl::ResourceExhaustedError("image backend: no memory to decode this image");
      }
      return absl::InvalidArgumentError(StrCat("the image cannot be decoded: ", error.err));
    } catch (const std::exception& error) {
      return absl::InternalError(StrCat("image backend: ", error.what()));
    }
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
    ASSIGN_OR_RETURN(const EncodedImage header, InspectImage(AsBytes(encoded)));
    // Both are below 2^32: no overflow.
    if (header.width > options_.max_pixels / header.height) {
      return absl::InvalidArgumentError(
          StrCat("the image has ", header.width, " x ", header.height, " pixels, and at most ",
                 options_.max_pixels,
                 " are decoded; send a smaller one, or raise the option 'max_pixels'"));
    }
    if (encoded.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
      return absl::InvalidArgumentError("the image file has more than 2 GiB; send a smaller one");
    }
    // OpenCV wants a mutable pointer and only reads.
    const cv::Mat buffer(1, static_cast<int>(encoded.size()), CV_8UC1,
                         const_cast<char*>(encoded.data()));
    // IMREAD_ANYCOLOR: gray stays gray, anything else is BGR without alpha, turned as EXIF says.
    cv::Mat image = Decode(buffer, header.has_alpha ? cv::IMREAD_UNCHANGED : cv::IMREAD_ANYCOLOR);
    if (image.empty()) {
      return absl::InvalidArgumentError("the image cannot be decoded: its data is corrupt");
    }
    image = ToEightBits(std::move(image));
    if (image.channels() == 4) image = LayOverWhite(image);
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
  try {
    cv::setNumThreads(config.threads);
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  } catch (const std::exception& error) {
    return absl::InternalError(StrCat("image backend: OpenCV does not start: ", error.what()));
  }
  return std::make_unique<ImageBackend>(options);
}

}  // namespace tiffin::worker
