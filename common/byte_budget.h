#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace tiffin {

// How many bytes things under way may have together: bodies that come, say, or answers that go.
// From any thread.
class ByteBudget {
 public:
  // What of it one of them has; its destruction gives that back.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
    Share& operator=(Share&& other) noexcept;
    ~Share() { Resize(0); }

    // To so many bytes. False: there are not that many, and nothing has changed.
    bool Resize(uint64_t bytes);

   private:
    friend class ByteBudget;
    struct State;
    std::shared_ptr<State> budget_;  // Shared by all shares: they may outlast the budget.
    uint64_t bytes_ = 0;
  };

  explicit ByteBudget(uint64_t limit);
  // Of nothing yet.
  Share Begin() const;

 private:
  std::shared_ptr<Share::State> state_;
};

}  // namespace tiffin
