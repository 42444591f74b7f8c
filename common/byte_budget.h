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

 public:
  // One of those who compete for a budget, from Admit until it and its shares are gone. As long as
  // there are several, none gets a further share unless it leaves at least as much as it then has;
  // its first one may be all that is left. (Dynamic thresholds with a factor of 1: Choudhury and
  // Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998.) Exact where
  // one thread at a time makes a tenant's shares larger.
  class Tenant;

  // What of it one of them has; its destruction gives that back.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : budget_(std::move(other.budget_)),
          tenant_(std::move(other.tenant_)),
          bytes_(std::exchange(other.bytes_, 0)) {}
    Share& operator=(Share&& other) noexcept;
    ~Share() { Resize(0); }

    // To so many bytes. False: there are not that many, or not for its tenant, and nothing has
    // changed.
    bool Resize(uint64_t bytes);

   private:
    friend class ByteBudget;
    std::shared_ptr<State> budget_;   // Shared by all shares: they may outlast the budget.
    std::shared_ptr<Tenant> tenant_;  // Shared by its shares. Null: nobody's.
    uint64_t bytes_ = 0;
  };

  explicit ByteBudget(uint64_t limit);
  // Shared with its shares.
  std::shared_ptr<Tenant> Admit() const;
  // Of nothing yet.
  Share Begin(std::shared_ptr<Tenant> tenant = nullptr) const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tiffin
