#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/tensor.h"
#include "tests/bench/in_process/local_runner.h"

namespace tiffin::bench {

// A service's steps as plain calls, one after the other, with engines of its own: what the service
// costs without processes, messages and queues. For one thread at a time.
class Graph {
 public:
  virtual ~Graph() = default;
  // `rows` is BYTES[n], an element each request; `copy` and `read` take the bytes as they are. One
  // answer each, as the service words it.
  virtual absl::StatusOr<std::vector<std::string>> Answer(const TensorView& rows) = 0;
};

// The names of the graphs that there are.
//   digits     An image is decoded; XGBoost and LibTorch read it; compare().
//              Runners: preprocess, model_a, model_b.
//   sentiment  An image is read by Tesseract and its text classified by LibTorch; format().
//              Runners: ocr, sentiment.
//   text       A text is classified by LibTorch; the answer is the label. Runner: sentiment.
//   copy       The bytes are copied, and that is all; the answers are empty. No runner.
//   read       The bytes, as FP32[n], are read once by the testing backend's `consume`, and the
//              answer is its first sum. Runner: a.
std::vector<std::string> GraphNames();

// `name` is one of them.
absl::StatusOr<std::unique_ptr<Graph>> MakeGraph(std::string_view name, const RunnerSource& source);

}  // namespace tiffin::bench
