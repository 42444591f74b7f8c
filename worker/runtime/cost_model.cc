#include "worker/runtime/cost_model.h"

#include <algorithm>

namespace tiffin::worker {
namespace {

// The weight of all that was measured before is multiplied by this with each execution, so it is
// 1 / (1 - kForgetting), 32 executions, in the long run.
constexpr double kForgetting = 1 - 1.0 / 32;
// One execution that took far longer than predicted (the core was taken away) counts as this
// multiple of the prediction. A cost that really grew is still followed, in a few steps.
constexpr double kOutlier = 4;
constexpr double kLeastPredictionUs = 1;
// Before that many executions there is no prediction to hold on to.
constexpr double kTrusted = 4;
// The standard deviation of the rows, relative to their mean, below which a slope would be noise.
constexpr double kLeastSpread = 0.05;

}  // namespace

void CostModel::Add(int64_t rows, absl::Duration took) {
  const auto x = static_cast<double>(rows);
  double y = absl::ToDoubleMicroseconds(took);
  if (weight_ >= kTrusted) {
    y = std::min(y, kOutlier * std::max(fixed_us_ + row_us_ * x, kLeastPredictionUs));
  }
  // Welford's update, with weights that fade.
  weight_ = weight_ * kForgetting + 1;
  const double share = 1 / weight_;
  const double dx = x - mean_rows_;
  const double dy = y - mean_us_;
  mean_rows_ += share * dx;
  mean_us_ += share * dy;
  rows_variance_ = (1 - share) * (rows_variance_ + share * dx * dx);
  covariance_ = (1 - share) * (covariance_ + share * dx * dy);
  Fit();
}

void CostModel::Fit() {
  const double least = kLeastSpread * mean_rows_;
  if (rows_variance_ <= least * least) {
    fixed_us_ = 0;
    row_us_ = mean_us_ / mean_rows_;
    return;
  }
  // Neither part is negative: the line is turned about the mean until it has none such.
  row_us_ = std::clamp(covariance_ / rows_variance_, 0.0, mean_us_ / mean_rows_);
  fixed_us_ = mean_us_ - row_us_ * mean_rows_;
}

}  // namespace tiffin::worker
