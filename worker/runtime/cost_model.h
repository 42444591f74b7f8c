#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace tiffin::worker {

// What an execution costs by its rows, a + b * rows: the least squares line through the executions
// that were measured, the last few dozen of which weigh most. So it follows a model whose cost
// changes, by other load for instance. What has not been measured is taken to be zero. Not
// thread-safe.
class CostModel {
 public:
  void Add(int64_t rows, absl::Duration took);

  // a: what an execution costs whatever its rows, and thus what one execution less saves. Zero
  // until executions with different numbers of rows told it apart.
  absl::Duration fixed() const { return absl::Microseconds(fixed_us_); }
  // b.
  absl::Duration per_row() const { return absl::Microseconds(row_us_); }
  absl::Duration Predict(int64_t rows) const {
    return fixed() + static_cast<double>(rows) * per_row();
  }

 private:
  void Fit();

  // Weighted means over the executions, and central moments.
  double weight_ = 0;
  double mean_rows_ = 0;
  double mean_us_ = 0;
  double rows_variance_ = 0;
  double covariance_ = 0;
  // The line.
  double fixed_us_ = 0;
  double row_us_ = 0;
};

}  // namespace tiffin::worker
