#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"
#include "common/config/service.h"

namespace tiffin::config {

// Gives all runners of `services` that have no endpoints those that `patterns` say: each is an
// endpoint in which `{service}` and `{runner}` stand for the names, with `-` for each `_`, as names
// of hosts have it. Of what their files say `queue` stays: the rest is for who starts the workers.
// INVALID_ARGUMENT names the pattern and the fix; then some may have them, and others not.
absl::Status SetEndpoints(std::span<const std::string> patterns,
                          std::span<ServiceConfig* const> services);

}  // namespace tiffin::config
