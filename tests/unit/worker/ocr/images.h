#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>

#include "nlohmann/json.hpp"
#include "worker/imaging/decode.h"
#include "worker/imaging/encoded.h"

// What make_images.py rendered.
namespace tiffin::worker {

inline std::string ReadImage(const std::string& name) {
  std::ifstream stream(std::string(TIFFIN_OCR_IMAGES "/") + name, std::ios::binary);
  if (!stream) ADD_FAILURE() << "no image " << name;
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline cv::Mat GrayImage(const std::string& name) {
  const absl::StatusOr<cv::Mat> image = DecodeImage(ReadImage(name), kMostPixels);
  if (!image.ok()) ADD_FAILURE() << image.status();
  if (image->channels() == 1) return *image;
  cv::Mat gray;
  cv::cvtColor(*image, gray, cv::COLOR_BGR2GRAY);
  return gray;
}

// "sentence" and "paragraph": what is written on the images; "boxes": where the sentence's words
// lie.
inline nlohmann::json Expected() { return nlohmann::json::parse(ReadImage("expected.json")); }

}  // namespace tiffin::worker
