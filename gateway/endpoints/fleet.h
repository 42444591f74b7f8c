#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/async/loop.h"
#include "common/config/endpoint.h"
#include "gateway/dispatch/worker_address.h"
#include "gateway/endpoints/address_slots.h"
#include "gateway/endpoints/name_resolver.h"

namespace tiffin::gateway {

// Where the workers of a runner are that somebody else starts: what its endpoints stand for, and
// what has become of it when names are looked up again, which is done every few seconds, and sooner
// when a session was lost. A name that can't be found keeps the addresses that it had: sessions
// with them tell whether they are good. On the loop's thread.
class Fleet {
 public:
  static constexpr absl::Duration kInterval = absl::Seconds(5);
  static constexpr absl::Duration kSoon = absl::Seconds(1);

  struct Events {
    absl::AnyInvocable<void(size_t slot, WorkerAddress)> appeared;
    absl::AnyInvocable<void(size_t slot)> gone;
  };
  // `name` is the runner's, for the log. All outlive it; `resolver` is not asked where no endpoint
  // is a name, and may then be null.
  Fleet(Loop& loop, std::string name, std::vector<config::Endpoint> endpoints,
        NameResolver* resolver, Events events);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // How many addresses there may be at a time.
  static size_t SlotsFor(const std::vector<config::Endpoint>& endpoints);

  void Start();
  // Something is wrong with an address: its name may have others by now.
  void LookSoon();

 private:
  struct Name {
    absl::Time asked = absl::InfinitePast();
    bool awaited = false;
    std::string said;  // Of it last, in the log.
    Loop::Timer next;
  };

  void Ask(size_t endpoint);
  void OnAnswer(size_t endpoint, absl::StatusOr<std::vector<std::string>> found);
  void Set(size_t endpoint, std::vector<WorkerAddress> addresses);

  Loop& loop_;
  const std::string name_;
  const std::vector<config::Endpoint> endpoints_;
  NameResolver* const resolver_;
  Events events_;
  AddressSlots slots_;
  bool told_of_too_many_ = false;
  std::vector<Name> names_;  // By endpoint; of use where that is a name.
  // False after destruction. Shared with what is on its way.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tiffin::gateway
