#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/config/diagnostics.h"
#include "common/config/service.h"
#include "common/signature.h"

namespace tiffin::gateway {

// `model_a.embed`, as written.
std::string CalleeText(const config::CallExpression& call);
// `features.scores`, as written.
std::string ReferenceText(const config::Reference& reference);
// `model_a.embed(features, k=3)`, as written but for the spaces.
std::string ExpressionText(const config::CallExpression& call);
// `model_a.embed(ids: int64[-1], k: int64[])`: what a method takes.
std::string SignatureText(const config::CallExpression& call, const MethodSignature& method);

// Which argument of `call` is given for each input of `method`. Reports surplus, unknown, repeated
// and missing ones; nullopt where there is none.
std::vector<std::optional<size_t>> MatchArguments(const config::CallExpression& call,
                                                  const MethodSignature& method,
                                                  config::Diagnostics& diagnostics);

}  // namespace tiffin::gateway
