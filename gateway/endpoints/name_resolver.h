#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"

namespace tiffin::gateway {

// Finds the addresses of names.
class NameResolver {
 public:
  // IP addresses, as text: IPv4 ones, or, where a name has none, IPv6 ones. At least one.
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::vector<std::string>>)>;

  virtual ~NameResolver() = default;
  // `server`: the name server to ask; empty: the system's, and /etc/hosts. `done` is called once,
  // from any thread, unless the resolver is destroyed before. Any thread.
  virtual void Resolve(const std::string& name, const std::string& server, Done done) = 0;
};

// By c-ares, on a thread of its own, so that nobody waits for a name server, and its end doesn't
// either (which getaddrinfo's would). Names are searched for as the system's resolver does.
// Destruction joins the thread.
std::unique_ptr<NameResolver> MakeNameResolver();

}  // namespace tiffin::gateway
