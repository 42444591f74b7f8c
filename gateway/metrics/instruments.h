#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "absl/time/time.h"

// What is counted while requests run. Each observation is one to three relaxed atomic additions,
// from any thread: no lock, no name, no allocation. (prometheus-cpp's own histogram takes a mutex,
// so it is used for the exposition only.)
namespace tiffin::gateway::metrics {

class Counter {
 public:
  void Add(uint64_t more = 1) { value_.fetch_add(more, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void Add(int64_t more) { value_.fetch_add(more, std::memory_order_relaxed); }
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// A share in a gauge, for as long as it lives. Move-only. The gauge outlives it.
class Held {
 public:
  Held() = default;
  explicit Held(Gauge& gauge, int64_t amount = 1) : gauge_(&gauge), amount_(amount) {
    gauge.Add(amount);
  }
  Held(Held&& other) noexcept
      : gauge_(std::exchange(other.gauge_, nullptr)), amount_(other.amount_) {}
  Held& operator=(Held&& other) noexcept {
    std::swap(gauge_, other.gauge_);
    std::swap(amount_, other.amount_);
    return *this;
  }
  ~Held() {
    if (gauge_ != nullptr) gauge_->Add(-amount_);
  }

 private:
  Gauge* gauge_ = nullptr;  // Null: nothing is held.
  int64_t amount_ = 0;
};

// Values in buckets. The unit is the caller's: nanoseconds, rows.
class Histogram {
 public:
  static constexpr size_t kMaxBounds = 18;

  // `bounds` ascend, are at most kMaxBounds, and outlive it. A value equal to a bound is below it.
  explicit Histogram(std::span<const int64_t> bounds) : bounds_(bounds) {}

  void Observe(int64_t value, uint64_t times = 1) {
    const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value);
    counts_[static_cast<size_t>(bucket - bounds_.begin())].fetch_add(times,
                                                                     std::memory_order_relaxed);
    sum_.fetch_add(value * static_cast<int64_t>(times), std::memory_order_relaxed);
  }
  // In nanoseconds; a negative one, of clocks that disagree, is none.
  void Observe(absl::Duration duration) {
    Observe(std::max<int64_t>(0, absl::ToInt64Nanoseconds(duration)));
  }

  std::span<const int64_t> bounds() const { return bounds_; }
  // Of the values in bucket `index` alone; the last one, at bounds().size(), has no upper bound.
  uint64_t count(size_t index) const { return counts_[index].load(std::memory_order_relaxed); }
  int64_t sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::span<const int64_t> bounds_;
  std::array<std::atomic<uint64_t>, kMaxBounds + 1> counts_{};
  std::atomic<int64_t> sum_{0};
};

}  // namespace tiffin::gateway::metrics
