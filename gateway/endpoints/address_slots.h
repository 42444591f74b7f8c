#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "gateway/dispatch/worker_address.h"

namespace tiffin::gateway {

// The addresses of a runner's workers, each in a slot: the number of its replica, as long as any
// endpoint has it. Not thread-safe.
class AddressSlots {
 public:
  AddressSlots(size_t endpoints, size_t slots) : by_endpoint_(endpoints), slots_(slots) {}

  struct Change {
    size_t slot = 0;
    std::optional<WorkerAddress> address;  // nullopt: the slot's one is gone.
  };
  // What an endpoint stands for now. Addresses beyond the slots are left out (left_out()).
  std::vector<Change> Set(size_t endpoint, std::vector<WorkerAddress> addresses);
  size_t left_out() const { return left_out_; }

 private:
  bool IsWanted(const WorkerAddress& address) const;
  bool IsThere(const WorkerAddress& address) const;

  std::vector<std::vector<WorkerAddress>> by_endpoint_;
  std::vector<std::optional<WorkerAddress>> slots_;
  size_t next_ = 0;  // Where to look for a free slot: the one that is free for longest, as a rule.
  size_t left_out_ = 0;
};

}  // namespace tiffin::gateway
