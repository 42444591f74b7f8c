#include "gateway/api/access.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kHealth = "/grpc.health.v1.Health/";
constexpr std::array<std::string_view, 2> kOpenMethods = {
    "/inference.GRPCInferenceService/ServerLive", "/inference.GRPCInferenceService/ServerReady"};
constexpr std::array<std::string_view, 4> kOpenPaths = {"/healthz", "/readyz", "/v2/health/live",
                                                        "/v2/health/ready"};

bool Has(auto& list, std::string_view wanted) {
  return std::find(list.begin(), list.end(), wanted) != list.end();
}

absl::Status Denied(const Caller& caller, std::string_view what) {
  return absl::PermissionDeniedError(StrCat("the token '", caller.name, "' is for ",
                                            absl::StrJoin(caller.may, ", "), ", not for ", what,
                                            "; use another one, or have this one allowed"));
}

}  // namespace

absl::Status CheckAccess(const Caller* caller, std::string_view service) {
  if (caller == nullptr || caller->May(service)) return absl::OkStatus();
  return Denied(*caller, service);
}

absl::Status CheckAccessToAll(const Caller* caller, std::string_view what) {
  if (caller == nullptr || caller->may_all) return absl::OkStatus();
  return Denied(*caller, what);
}

bool IsOpenMethod(std::string_view method) {
  return method.starts_with(kHealth) || Has(kOpenMethods, method);
}

bool IsOpenPath(std::string_view path) {
  if (path.size() > 1 && path.ends_with('/') && path.starts_with("/v2/")) path.remove_suffix(1);
  return Has(kOpenPaths, path);
}

absl::Status Admit(const security::Tokens* tokens, Rpc& rpc) {
  if (tokens == nullptr || IsOpenMethod(rpc.method())) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto caller, tokens->Authenticate(rpc.metadata_values("authorization")));
  rpc.SetCaller(std::move(caller));
  return absl::OkStatus();
}

}  // namespace tiffin::gateway
