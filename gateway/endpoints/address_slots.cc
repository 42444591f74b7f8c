#include "gateway/endpoints/address_slots.h"

#include <algorithm>
#include <utility>

namespace tiffin::gateway {

bool AddressSlots::IsWanted(const WorkerAddress& address) const {
  return std::any_of(by_endpoint_.begin(), by_endpoint_.end(), [&](const auto& addresses) {
    return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
  });
}

bool AddressSlots::IsThere(const WorkerAddress& address) const {
  return std::find(slots_.begin(), slots_.end(), address) != slots_.end();
}

std::vector<AddressSlots::Change> AddressSlots::Set(size_t endpoint,
                                                    std::vector<WorkerAddress> addresses) {
  by_endpoint_[endpoint] = std::move(addresses);
  std::vector<Change> gone;
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    if (!slots_[slot].has_value() || IsWanted(*slots_[slot])) continue;
    slots_[slot].reset();
    gone.push_back({.slot = slot, .address = std::nullopt});
  }
  // Where another one can be there before one is gone, it is.
  std::vector<Change> changes;
  std::vector<Change> in_place_of_others;
  left_out_ = 0;
  for (const auto& of_endpoint : by_endpoint_) {
    for (const WorkerAddress& address : of_endpoint) {
      if (IsThere(address)) continue;
      size_t tried = 0;
      while (tried < slots_.size() && slots_[next_].has_value()) {
        next_ = (next_ + 1) % slots_.size();
        ++tried;
      }
      if (tried == slots_.size()) {
        ++left_out_;
        continue;
      }
      slots_[next_] = address;
      const bool was_taken = std::any_of(
          gone.begin(), gone.end(), [this](const Change& other) { return other.slot == next_; });
      (was_taken ? in_place_of_others : changes).push_back({.slot = next_, .address = address});
      next_ = (next_ + 1) % slots_.size();
    }
  }
  changes.insert(changes.end(), gone.begin(), gone.end());
  changes.insert(changes.end(), in_place_of_others.begin(), in_place_of_others.end());
  return changes;
}

}  // namespace tiffin::gateway
