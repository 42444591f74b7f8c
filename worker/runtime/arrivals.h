#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "worker/runtime/cost_model.h"

namespace tiffin::worker {

// When calls came: the last few dozen gaps between one and the next, which are what is known about
// when the next will come. Not thread-safe.
class Arrivals {
 public:
  void Add(absl::Time when, int64_t rows);

  // How long an idle worker with `calls` calls waiting should wait for one more to lower the total
  // latency of all of them, the one that comes included; zero when it should start now.
  //
  // If the next one, of m rows, comes in g: one execution instead of two saves it a (the model's
  // fixed cost) and costs it g, while those that wait lose g and its rows' cost, m * b, each:
  //   gain = a - (calls + 1) * g - calls * m * b
  // If none comes while they wait for w, each has lost w. Of the gaps of the past that are longer
  // than what has passed since the last call, each is as likely as the next: the wait with the
  // largest sum of gains is taken, if that is above zero.
  absl::Duration BestWait(const CostModel& cost, int64_t calls, absl::Time now) const;

 private:
  static constexpr size_t kKept = 64;

  struct Gap {
    double us;
    double rows;  // Of the call at its end.
  };
  std::array<Gap, kKept> gaps_{};  // The oldest is overwritten.
  size_t added_ = 0;
  std::optional<absl::Time> last_;
};

}  // namespace tiffin::worker
