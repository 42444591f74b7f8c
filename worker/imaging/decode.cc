#include "worker/imaging/decode.h"

#include <exception>
#include <iostream>
#include <limits>
#include <new>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <streambuf>
#include <utility>

#include "absl/base/const_init.h"
#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/tensor.h"
#include "worker/imaging/encoded.h"

namespace tiffin::worker {
namespace {

// Drops what is written. Stateless, so that several threads may write at the same time.
class NullBuffer : public std::streambuf {
 protected:
  int_type overflow(int_type character) override { return traits_type::not_eof(character); }
  std::streamsize xsputn(const char*, std::streamsize count) override { return count; }
};

// std::cerr belongs to the whole process, and so does what silences it.
ABSL_CONST_INIT absl::Mutex quiet_mutex(absl::kConstInit);
int quiet_users ABSL_GUARDED_BY(quiet_mutex) = 0;
std::streambuf* loud_buffer ABSL_GUARDED_BY(quiet_mutex) = nullptr;

// While any lives nothing comes out of std::cerr: OpenCV's decoders tell it what they think of an
// image that a caller sent, past OpenCV's own log. Nothing else in these programs writes there.
class QuietErrorStream {
 public:
  QuietErrorStream() {
    static NullBuffer null_buffer;
    const absl::MutexLock lock(&quiet_mutex);
    if (quiet_users++ == 0) loud_buffer = std::cerr.rdbuf(&null_buffer);
  }
  ~QuietErrorStream() {
    const absl::MutexLock lock(&quiet_mutex);
    if (--quiet_users == 0) std::cerr.rdbuf(loud_buffer);
  }
  QuietErrorStream(const QuietErrorStream&) = delete;
  QuietErrorStream& operator=(const QuietErrorStream&) = delete;
};

absl::StatusOr<cv::Mat> Decode(const cv::Mat& encoded, int flags) {
  const QuietErrorStream quiet;
  try {
    cv::Mat image = cv::imdecode(encoded, flags);
    if (!image.empty()) return image;
  } catch (const cv::Exception& error) {
    if (error.code == cv::Error::StsNoMem) throw;
    return absl::InvalidArgumentError(StrCat("the image cannot be decoded: ", error.err));
  }
  return absl::InvalidArgumentError("the image cannot be decoded: its data is corrupt");
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

absl::Status NoMemory(std::string_view backend) {
  return absl::ResourceExhaustedError(
      StrCat(backend, " backend: no memory for this image; send a smaller one"));
}

}  // namespace

absl::StatusOr<cv::Mat> DecodeImage(std::string_view encoded, int64_t max_pixels) {
  ASSIGN_OR_RETURN(const EncodedImage header, InspectImage(AsBytes(encoded)));
  // Both are below 2^32: no overflow.
  if (header.width > max_pixels / header.height) {
    return absl::InvalidArgumentError(
        StrCat("the image has ", header.width, " x ", header.height, " pixels, and at most ",
               max_pixels, " are decoded; send a smaller one, or raise the option 'max_pixels'"));
  }
  if (encoded.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    return absl::InvalidArgumentError("the image file has more than 2 GiB; send a smaller one");
  }
  // OpenCV wants a mutable pointer and only reads.
  const cv::Mat buffer(1, static_cast<int>(encoded.size()), CV_8UC1,
                       const_cast<char*>(encoded.data()));
  // IMREAD_ANYCOLOR: gray stays gray, anything else is BGR without alpha, turned as EXIF says.
  ASSIGN_OR_RETURN(cv::Mat image,
                   Decode(buffer, header.has_alpha ? cv::IMREAD_UNCHANGED : cv::IMREAD_ANYCOLOR));
  image = ToEightBits(std::move(image));
  if (image.channels() == 4) image = LayOverWhite(image);
  return image;
}

absl::Status CatchOpenCv(std::string_view backend, const std::function<absl::Status()>& run) {
  try {
    return run();
  } catch (const std::bad_alloc&) {
    return NoMemory(backend);
  } catch (const cv::Exception& error) {
    if (error.code == cv::Error::StsNoMem) return NoMemory(backend);
    return absl::InternalError(StrCat(backend, " backend: ", error.err));
  } catch (const std::exception& error) {
    return absl::InternalError(StrCat(backend, " backend: ", error.what()));
  }
}

absl::Status StartOpenCv(std::string_view backend, int threads) {
  try {
    cv::setNumThreads(threads);
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  } catch (const std::exception& error) {
    return absl::InternalError(StrCat(backend, " backend: OpenCV does not start: ", error.what()));
  }
  return absl::OkStatus();
}

}  // namespace tiffin::worker
