#pragma once

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

// Fails as `http_status`, or as the status's code says where that is 0, with x-request-id. `calls`
// outlives it.
Handler::Answer Refusal(InferCalls& calls, absl::Status status, int http_status = 0,
                        std::vector<Field> fields = {});

// 405. `allowed` is the value of Allow.
Handler::Answer NotAllowed(InferCalls& calls, const Request& request, std::string_view allowed);

// GET and HEAD are the same to all but the connection.
bool IsGet(const Request& request);

// The field x-request-timeout. Infinite where the client says nothing.
absl::StatusOr<absl::Duration> TimeoutOf(const Request& request);

// A body, as an RPC's message.
grpc::ByteBuffer ToBuffer(const std::string& text);

}  // namespace tiffin::gateway::http
