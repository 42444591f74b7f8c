#pragma once

#include <opencv2/core.hpp>

// What an image says of itself before it is read. All of them take gray images of 8 bits.
namespace tiffin::worker {

enum class InkShade { kDark, kLight };

// How what is small differs from its surroundings: most text is darker.
InkShade FindInkShade(const cv::Mat& gray);

// A background brightness for each pixel: the image without its ink.
cv::Mat EstimateBackground(const cv::Mat& gray, InkShade ink);

// How unlevel the light is: 0 where the background is the same everywhere, 1 where a part of it is
// black and another is not.
double Unevenness(const cv::Mat& background);

// 255 where the ink is and 0 elsewhere.
cv::Mat FindInk(const cv::Mat& gray);

// What connected pieces of ink are there: all, those too small for letters, those that may be
// letters.
struct InkPieces {
  int count = 0;
  int specks = 0;
  int letters = 0;
  // The middle height of the letters, the larger ones counting for more; 0: there are none.
  double text_height = 0;
};
InkPieces MeasureInk(const cv::Mat& ink);

// By how many degrees lines of text rise towards the right, within 7; 0 where it can't be told.
double FindSlant(const cv::Mat& ink, double text_height);

}  // namespace tiffin::worker
