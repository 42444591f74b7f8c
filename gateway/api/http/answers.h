#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gateway/api/http/handler.h"
#include "gateway/api/http/message.h"
#include "gateway/api/infer_call.h"
#include "grpcpp/support/byte_buffer.h"

// What the routes of HTTP have in common. From any thread; the answers run on the loop's.
namespace tiffin::gateway::http {

struct RefusalOptions {
  int http_status = 0;  // As the status's code says, where it is 0.
  std::vector<Field> fields = {};
  std::optional<InferTarget> target = {};  // What the request was for, if that is known.
};

// Fails with x-request-id. `calls` outlives it.
Handler::Answer Refusal(InferCalls& calls, absl::Status status, RefusalOptions options = {});

// To a method that is not one of `allowed`, as "GET, HEAD". OPTIONS is told them; for any other it
// is 405, with the same Allow.
Handler::Answer ToOtherMethod(InferCalls& calls, const Request& request, std::string_view allowed,
                              std::optional<InferTarget> target = {});

// 401, with what the client has to send.
Handler::Answer NotAuthenticated(InferCalls& calls, absl::Status status, const Request& request);

// GET and HEAD are the same to all but the connection.
bool IsGet(const Request& request);

// The field x-request-timeout. Infinite where the client says nothing.
absl::StatusOr<absl::Duration> TimeoutOf(const Request& request);

// A body, as an RPC's message.
grpc::ByteBuffer ToBuffer(const std::string& text);

}  // namespace tiffin::gateway::http
