#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace tiffin {

// How many bytes things under way may have together: bodies that come, say, or answers that go.
// From any thread.
class ByteBudget {
  struct State;
  struct Tenancy;

 public:
  // What of it one of them has; its destruction gives that back.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : budget_(std::move(other.budget_)),
          tenancy_(std::move(other.tenancy_)),
          bytes_(std::exchange(other.bytes_, 0)) {}
    Share& operator=(Share&& other) noexcept;
    ~Share() { Resize(0); }

    // To so many bytes. False: there are not that many, or not for this tenant, and nothing has
    // changed.
    bool Resize(uint64_t bytes);

   private:
    friend class ByteBudget;
    std::shared_ptr<State> budget_;     // Shared by all shares: they may outlast the budget.
    std::shared_ptr<Tenancy> tenancy_;  // And its tenants. Null: nobody's.
    uint64_t bytes_ = 0;
  };

  // One of those who compete for it. As long as there are several, what one has may grow only to
  // what it leaves to the others, so that none can take all; but who has nothing may take anything
  // that is left. (Dynamic thresholds with a factor of 1: Choudhury and Hahne, "Dynamic Queue
  // Length Thresholds for Shared-Memory Packet Switches", 1998.)
  class Tenant {
   public:
    explicit Tenant(const ByteBudget& budget);
    ~Tenant();
    Tenant(const Tenant&) = delete;
    Tenant& operator=(const Tenant&) = delete;
    // Of nothing yet.
    Share Begin() const;

   private:
    const std::shared_ptr<State> budget_;
    const std::shared_ptr<Tenancy> tenancy_;  // Shared by its shares.
  };

  explicit ByteBudget(uint64_t limit);
  // Of nothing yet.
  Share Begin() const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tiffin
