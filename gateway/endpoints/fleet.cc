#include "gateway/endpoints/fleet.h"

#include <algorithm>
#include <utility>

#include "common/config/resources.h"
#include "common/log/log.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

using Kind = config::Endpoint::Kind;

WorkerAddress AddressOf(const config::Endpoint& name, const std::string& host) {
  return {.target = ToString(config::Endpoint{
              .kind = Kind::kAddress, .host = host, .port = name.port, .server = ""}),
          .server_name = name.host};
}

}  // namespace

Fleet::Fleet(Loop& loop, std::string name, std::vector<config::Endpoint> endpoints,
             NameResolver* resolver, Events events)
    : loop_(loop),
      name_(std::move(name)),
      endpoints_(std::move(endpoints)),
      resolver_(resolver),
      events_(std::move(events)),
      slots_(endpoints_.size(), SlotsFor(endpoints_)),
      names_(endpoints_.size()) {}

Fleet::~Fleet() { *alive_ = false; }

size_t Fleet::SlotsFor(const std::vector<config::Endpoint>& endpoints) {
  const bool has_names =
      std::any_of(endpoints.begin(), endpoints.end(),
                  [](const config::Endpoint& endpoint) { return endpoint.kind == Kind::kName; });
  return has_names ? config::kMaxReplicas : endpoints.size();
}

void Fleet::Start() {
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    if (endpoints_[i].kind == Kind::kName) {
      Ask(i);
    } else {
      Set(i, {{.target = ToString(endpoints_[i]), .server_name = ""}});
    }
  }
}

void Fleet::LookSoon() {
  const absl::Time now = loop_.now();
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    Name& name = names_[i];
    if (endpoints_[i].kind != Kind::kName || name.awaited) continue;
    // Not for each of many failures.
    name.next = loop_.At(std::max(now, name.asked + kSoon), [this, i] { Ask(i); });
  }
}

void Fleet::Ask(size_t endpoint) {
  Name& name = names_[endpoint];
  if (std::exchange(name.awaited, true)) return;
  name.asked = loop_.now();
  resolver_->Resolve(endpoints_[endpoint].host, endpoints_[endpoint].server,
                     [this, endpoint, &loop = loop_,
                      alive = alive_](absl::StatusOr<std::vector<std::string>> found) {
                       loop.Post([this, endpoint, alive, found = std::move(found)]() mutable {
                         if (*alive) OnAnswer(endpoint, std::move(found));
                       });
                     });
}

void Fleet::OnAnswer(size_t endpoint, absl::StatusOr<std::vector<std::string>> found) {
  Name& name = names_[endpoint];
  name.awaited = false;
  name.next =
      loop_.At(name.asked + (found.ok() ? kInterval : kSoon), [this, endpoint] { Ask(endpoint); });
  const config::Endpoint& config = endpoints_[endpoint];
  std::string said;
  if (found.ok()) {
    std::vector<WorkerAddress> addresses;
    for (const std::string& host : *found) addresses.push_back(AddressOf(config, host));
    Set(endpoint, std::move(addresses));
  } else {
    said = StrCat(Message(found.status()));
    if (said != name.said) {
      log::Write(log::Level::kWarning, "endpoint_not_found",
                 StrCat("runner '", name_, "': ", ToString(config), ": ", said,
                        "; asking again and again"),
                 {{"runner", name_}, {"endpoint", ToString(config)}, {"error", said}});
    }
  }
  name.said = std::move(said);
}

void Fleet::Set(size_t endpoint, std::vector<WorkerAddress> addresses) {
  for (AddressSlots::Change& change : slots_.Set(endpoint, std::move(addresses))) {
    if (change.address.has_value()) {
      events_.appeared(change.slot, *std::move(change.address));
    } else {
      events_.gone(change.slot);
    }
  }
  const bool too_many = slots_.left_out() > 0;
  if (too_many && !told_of_too_many_) {
    log::Write(log::Level::kWarning, "endpoints_left_out",
               StrCat("runner '", name_, "': its endpoints have ", slots_.left_out(),
                      " addresses more than the ", config::kMaxReplicas, " that are used"),
               {{"runner", name_}});
  }
  told_of_too_many_ = too_many;
}

}  // namespace tiffin::gateway
