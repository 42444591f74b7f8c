#include "worker/ocr/measures.h"

#include <leptonica/allheaders.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <opencv2/imgproc.hpp>
#include <utility>
#include <vector>

namespace tiffin::worker {
namespace {

// What changes slowly is looked for on an image of about this size.
constexpr int kSmallSide = 400;
// Pixels of ink: specks have no more.
constexpr int kSpeckArea = 4;

cv::Mat Shrink(const cv::Mat& gray) {
  const double scale =
      std::min(1.0, static_cast<double>(kSmallSide) / std::max(gray.cols, gray.rows));
  const cv::Size size(std::max(1, static_cast<int>(std::lround(gray.cols * scale))),
                      std::max(1, static_cast<int>(std::lround(gray.rows * scale))));
  cv::Mat small;
  cv::resize(gray, small, size, 0, 0, cv::INTER_AREA);
  return small;
}

// Odd; wider than the strokes of letters, narrower than shadows.
int WindowSide(const cv::Mat& small) {
  return std::clamp(std::min(small.cols, small.rows) / 4, 3, 25) | 1;
}

// The value below which `share` of the pixels lie.
int Percentile(const cv::Mat& gray, double share) {
  std::array<int64_t, 256> counts{};
  for (int y = 0; y < gray.rows; ++y) {
    const uchar* row = gray.ptr<uchar>(y);
    for (int x = 0; x < gray.cols; ++x) ++counts[row[x]];
  }
  auto left = static_cast<int64_t>(share * static_cast<double>(gray.total()));
  for (int value = 0; value < 256; ++value) {
    left -= counts[static_cast<size_t>(value)];
    if (left < 0) return value;
  }
  return 255;
}

struct PixDeleter {
  void operator()(Pix* pix) const { pixDestroy(&pix); }
};
using PixPtr = std::unique_ptr<Pix, PixDeleter>;

// Leptonica's form of an image of two colors. Null without memory.
PixPtr ToPix(const cv::Mat& ink) {
  PixPtr pix(pixCreate(ink.cols, ink.rows, 1));
  if (pix == nullptr) return pix;
  const int words = pixGetWpl(pix.get());
  for (int y = 0; y < ink.rows; ++y) {
    l_uint32* line = pixGetData(pix.get()) + static_cast<ptrdiff_t>(y) * words;
    const uchar* row = ink.ptr<uchar>(y);
    for (int x = 0; x < ink.cols; ++x) {
      if (row[x] != 0) SET_DATA_BIT(line, x);
    }
  }
  return pix;
}

}  // namespace

InkShade FindInkShade(const cv::Mat& gray) {
  cv::Mat small;
  Shrink(gray).convertTo(small, CV_32F, 1.0 / 255);
  const int side = WindowSide(small);
  cv::Mat around;
  cv::blur(small, around, cv::Size(side, side));
  const cv::Mat difference = small - around;
  const double skewness = cv::sum(difference.mul(difference).mul(difference))[0];
  return skewness <= 0 ? InkShade::kDark : InkShade::kLight;
}

cv::Mat EstimateBackground(const cv::Mat& gray, InkShade ink) {
  cv::Mat background = Shrink(gray);
  const cv::Size side(WindowSide(background), WindowSide(background));
  cv::morphologyEx(background, background,
                   ink == InkShade::kDark ? cv::MORPH_CLOSE : cv::MORPH_OPEN,
                   cv::getStructuringElement(cv::MORPH_ELLIPSE, side));
  cv::GaussianBlur(background, background, side, 0);
  if (background.size() != gray.size()) {
    cv::resize(background, background, gray.size(), 0, 0, cv::INTER_LINEAR);
  }
  return background;
}

double Unevenness(const cv::Mat& background) {
  const int bright = Percentile(background, 0.98);
  const int dark = Percentile(background, 0.02);
  // A dark ground is not unlevel for a little noise.
  return static_cast<double>(bright - dark) / std::max(bright, 64);
}

cv::Mat FindInk(const cv::Mat& gray) {
  cv::Mat ink;
  cv::threshold(
      gray, ink, 0, 255,
      (FindInkShade(gray) == InkShade::kDark ? cv::THRESH_BINARY_INV : cv::THRESH_BINARY) |
          cv::THRESH_OTSU);
  return ink;
}

InkPieces MeasureInk(const cv::Mat& ink) {
  cv::Mat labels;
  cv::Mat stats;
  cv::Mat centers;
  const int count = cv::connectedComponentsWithStats(ink, labels, stats, centers, 8, CV_32S);
  InkPieces pieces{.count = count - 1};
  std::vector<int> heights;
  for (int i = 1; i < count; ++i) {
    const int width = stats.at<int>(i, cv::CC_STAT_WIDTH);
    const int height = stats.at<int>(i, cv::CC_STAT_HEIGHT);
    const int area = stats.at<int>(i, cv::CC_STAT_AREA);
    if (area <= kSpeckArea) ++pieces.specks;
    // Not specks, rules, frames and pictures. Letters of a word may touch one another.
    if (height < 3 || area < 6 || width > 15 * height || height > 8 * width) continue;
    if (height * 2 > ink.rows && width * 2 > ink.cols) continue;
    heights.push_back(height);
  }
  pieces.letters = static_cast<int>(heights.size());
  std::sort(heights.begin(), heights.end());
  int64_t sum = 0;
  for (const int height : heights) sum += height;
  int64_t below = 0;
  for (const int height : heights) {
    below += height;
    if (below * 2 >= sum) {
      pieces.text_height = height;
      break;
    }
  }
  return pieces;
}

double FindSlant(const cv::Mat& ink, double text_height) {
  constexpr double kLeastConfidence = 3;
  // Lines too short have no slant to speak of.
  if (text_height < 4 || ink.cols < 6 * text_height) return 0;
  const PixPtr pix = ToPix(ink);
  if (pix == nullptr) return 0;
  // Sought for on smaller images, but lines must stay apart.
  const int reduce = text_height >= 24 ? 4 : text_height >= 12 ? 2 : 1;
  l_float32 degrees = 0;
  l_float32 confidence = 0;
  const int failed = pixFindSkewSweepAndSearch(pix.get(), &degrees, &confidence, reduce,
                                               std::max(1, reduce / 2), 7.0F, 1.0F, 0.02F);
  return failed != 0 || confidence < kLeastConfidence ? 0 : static_cast<double>(degrees);
}

}  // namespace tiffin::worker
