#include "worker/ocr/preparation.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <opencv2/imgproc.hpp>

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/ocr/measures.h"

namespace tiffin::worker {
namespace {

// What `auto` goes by; chosen with tests/bench/ocr_accuracy.py.
constexpr double kUnlevel = 0.25;       // Of the brightest background.
constexpr double kSpecksPerLetter = 2;  // More: they are noise.
constexpr double kSmallText = 13;       // Pixels high: text below is enlarged,
constexpr double kGoodText = 30;        // to this,
constexpr double kMostUpscale = 4;      // but no further.
constexpr double kLeastSlant = 0.4;     // Degrees: Tesseract follows less by itself.
// Leaves room for the corners of a turned image: Tesseract and OpenCV take sides of 32767.
constexpr int kLongestSide = 28000;
// Tesseract's search for lines, which can't be stopped, takes 2 s of 100,000 pieces of ink, and
// more than a minute of 400,000. A dense page has about 10,000.
constexpr int kMostPieces = 100'000;
// Where Tesseract takes an image for a line without looking, its time grows faster than the line's
// length: 10 s where a line is 1,250 times longer than high, and many minutes at 20,000.
constexpr int kLongestLine = 300;

bool IsTakenForLines(PageMode mode) {
  return mode == PageMode::kSingleBlock || mode == PageMode::kSingleLine ||
         mode == PageMode::kSingleWord;
}

// Ink and its pieces, found again after each change of the image.
struct Inked {
  explicit Inked(const cv::Mat& gray) : ink(FindInk(gray)), pieces(MeasureInk(ink)) {}
  bool is_specked() const { return pieces.specks > kSpecksPerLetter * pieces.letters; }

  cv::Mat ink;
  InkPieces pieces;
};

// As it would be on white paper in even light. Light text becomes dark.
cv::Mat Flatten(const cv::Mat& gray, const cv::Mat& background, InkShade ink) {
  cv::Mat flat;
  if (ink == InkShade::kDark) {
    cv::divide(gray, background, flat, 255);
    return flat;
  }
  // Where it is nearly black, a quotient says little.
  constexpr double kLift = 8;
  cv::Mat lifted;
  cv::add(gray, kLift, lifted);
  cv::add(background, kLift, flat);
  cv::divide(flat, lifted, flat, 255);
  return flat;
}

cv::Mat Despeckle(const cv::Mat& gray) {
  cv::Mat clean;
  cv::medianBlur(gray, clean, 3);
  return clean;
}

double ChooseScale(const cv::Size& size, double text_height, const OcrOptions& options) {
  double scale = 1;
  if (options.upscale == Preparation::kOn) {
    scale = text_height == 0 ? 2 : kGoodText / text_height;
  } else if (options.upscale == Preparation::kAuto && text_height < kSmallText) {
    scale = text_height == 0 ? 1 : kGoodText / text_height;
  }
  const double by_pixels =
      std::sqrt(static_cast<double>(options.max_pixels) / static_cast<double>(size.area()));
  const double by_side = static_cast<double>(kLongestSide) / std::max(size.width, size.height);
  return std::clamp(scale, 1.0, std::max(1.0, std::min({kMostUpscale, by_pixels, by_side})));
}

struct Turn {
  cv::Matx23d matrix;
  cv::Size size;
};
// From the pixels of an image to those of one turned by `degrees` (lines that rise by them become
// level) and scaled, with room for all of it.
Turn MakeTurn(const cv::Size& size, double degrees, double scale) {
  const double angle = degrees * std::numbers::pi / 180;
  const double c = std::cos(angle) * scale;
  const double s = std::sin(angle) * scale;
  const double width = size.width * std::abs(c) + size.height * std::abs(s);
  const double height = size.width * std::abs(s) + size.height * std::abs(c);
  const cv::Size turned(std::max(1, static_cast<int>(std::lround(width))),
                        std::max(1, static_cast<int>(std::lround(height))));
  // The middle of the one comes to lie on the middle of the other. Pixels' centers are whole.
  const double x = (size.width - 1) / 2.0;
  const double y = (size.height - 1) / 2.0;
  return {cv::Matx23d(c, -s, (turned.width - 1) / 2.0 - c * x + s * y,  //
                      s, c, (turned.height - 1) / 2.0 - s * x - c * y),
          turned};
}

// Changes the image by `turn`; `prepared.to_original` goes along.
void Apply(const Turn& turn, PreparedImage& prepared) {
  cv::Mat turned;
  // Linear: a sharper filter brings the artefacts of JPEG out too.
  cv::warpAffine(prepared.image, turned, turn.matrix, turn.size, cv::INTER_LINEAR,
                 cv::BORDER_REPLICATE);
  prepared.image = turned;
  cv::Matx23d back;
  cv::invertAffineTransform(turn.matrix, back);
  const cv::Matx23d& to = prepared.to_original;
  const cv::Matx33d whole(back(0, 0), back(0, 1), back(0, 2), back(1, 0), back(1, 1), back(1, 2), 0,
                          0, 1);
  prepared.to_original = to * whole;
}

// For images too long for OpenCV and Tesseract.
void ShrinkToFit(PreparedImage& prepared) {
  const cv::Size size = prepared.image.size();
  const double scale = static_cast<double>(kLongestSide) / std::max(size.width, size.height);
  if (scale >= 1) return;
  const cv::Size fitting(std::max(1, static_cast<int>(size.width * scale)),
                         std::max(1, static_cast<int>(size.height * scale)));
  cv::Mat shrunk;
  cv::resize(prepared.image, shrunk, fitting, 0, 0, cv::INTER_AREA);
  prepared.image = shrunk;
  const double x = static_cast<double>(size.width) / fitting.width;
  const double y = static_cast<double>(size.height) / fitting.height;
  prepared.to_original = {x, 0, 0, 0, y, 0};
}

}  // namespace

absl::StatusOr<PreparedImage> PrepareImage(const cv::Mat& gray, const OcrOptions& options) {
  if (IsTakenForLines(options.page_mode) && gray.cols / kLongestLine > gray.rows) {
    return absl::InvalidArgumentError(
        StrCat("the image is ", gray.cols, " x ", gray.rows, " pixels: a line of more than ",
               kLongestLine, " times its height is read with the option 'page_mode: auto' only"));
  }
  PreparedImage prepared{.image = gray};
  ShrinkToFit(prepared);
  if (options.background != Preparation::kOff) {
    const InkShade ink = FindInkShade(prepared.image);
    const cv::Mat background = EstimateBackground(prepared.image, ink);
    if (options.background == Preparation::kOn || Unevenness(background) > kUnlevel) {
      prepared.image = Flatten(prepared.image, background, ink);
      prepared.is_flattened = true;
    }
  }
  Inked inked(prepared.image);
  if (options.despeckle != Preparation::kOff && inked.is_specked()) {
    prepared.image = Despeckle(prepared.image);
    prepared.is_despeckled = true;
    inked = Inked(prepared.image);
  }
  if (inked.pieces.count > kMostPieces) {
    if (!inked.is_specked()) {
      return absl::InvalidArgumentError(StrCat("the image has ", inked.pieces.count,
                                               " separate marks, and at most ", kMostPieces,
                                               " are searched for text; send a part of it"));
    }
    prepared.is_noise = true;
    return prepared;
  }
  if (options.deskew != Preparation::kOff) {
    const double slant = FindSlant(inked.ink, inked.pieces.text_height);
    if (std::abs(slant) >= kLeastSlant) prepared.slant_degrees = slant;
  }
  const cv::Size size = prepared.image.size();
  prepared.scale = ChooseScale(size, inked.pieces.text_height, options);
  if (prepared.scale != 1 || prepared.slant_degrees != 0) {
    Apply(MakeTurn(size, prepared.slant_degrees, prepared.scale), prepared);
  }
  return prepared;
}

cv::Rect ToOriginal(const PreparedImage& prepared, const cv::Rect& box, const cv::Size& original) {
  double left = original.width;
  double top = original.height;
  double right = 0;
  double bottom = 0;
  for (const cv::Point& corner :
       {box.tl(), cv::Point(box.br().x, box.y), box.br(), cv::Point(box.x, box.br().y)}) {
    const cv::Vec2d at = prepared.to_original * cv::Vec3d(corner.x, corner.y, 1);
    left = std::min(left, at[0]);
    top = std::min(top, at[1]);
    right = std::max(right, at[0]);
    bottom = std::max(bottom, at[1]);
  }
  const cv::Point from(static_cast<int>(std::floor(left)), static_cast<int>(std::floor(top)));
  const cv::Point to(static_cast<int>(std::ceil(right)), static_cast<int>(std::ceil(bottom)));
  return cv::Rect(from, to) & cv::Rect(cv::Point(0, 0), original);
}

}  // namespace tiffin::worker
