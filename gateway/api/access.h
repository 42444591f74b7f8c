#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/caller.h"
#include "common/security/tokens.h"
#include "gateway/api/rpc.h"

// Who may call what. A server without tokens asks nobody: there is no Caller, and all is allowed.
namespace tiffin::gateway {

// OK if they may. PERMISSION_DENIED names the token, by its name, and the service.
absl::Status CheckAccess(const Caller* caller, std::string_view service);
// The same of what is not one service's.
absl::Status CheckAccessToAll(const Caller* caller, std::string_view what);

// Whether an RPC of this method is answered to everybody: whether the server lives and is ready,
// which probes ask who have no tokens.
bool IsOpenMethod(std::string_view method);
// The same of HTTP's paths.
bool IsOpenPath(std::string_view path);

// Finds out who sent the RPC, and lets it know. Null tokens: nobody is asked. UNAUTHENTICATED.
absl::Status Admit(const security::Tokens* tokens, Rpc& rpc);

}  // namespace tiffin::gateway
