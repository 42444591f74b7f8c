#include "gateway/api/infer_call.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/strings.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kRequestIdKey = "x-request-id";
constexpr std::string_view kTimingKey = "tiffin-timing";
constexpr size_t kMaxRequestId = 128;

// Of a runner called by itself; an API has its own.
constexpr absl::Duration kRunnerTimeout = config::kDefaultApiTimeout;

absl::Duration TimeoutOf(const InferTarget& target) {
  const auto* const* api = std::get_if<const PlannedApi*>(&target);
  return api == nullptr ? kRunnerTimeout : (*api)->timeout;
}

}  // namespace

std::string TimingJson(absl::Duration total, absl::Duration before,
                       std::span<const StepTiming> steps) {
  constexpr std::string_view kTruncatedEnd = "], \"truncated\": true}";
  const auto us = [](absl::Duration duration) { return absl::ToInt64Microseconds(duration); };
  std::string json = StrCat("{\"total_us\": ", us(total), ", \"steps\": [");
  for (size_t i = 0; i < steps.size(); ++i) {
    const StepTiming& step = steps[i];
    // Names need no escapes: they match [a-z][a-z0-9_]*.
    const std::string entry =
        StrCat(i == 0 ? "" : ", ", "{\"name\": \"", step.name, "\", \"runner\": \"", step.runner,
               "\", \"start_us\": ", us(before + step.start),
               ", \"end_us\": ", us(before + step.end), ", \"queue_us\": ", us(step.queue),
               ", \"batch_us\": ", us(step.batch), ", \"compute_us\": ", us(step.compute), "}");
    if (json.size() + entry.size() + kTruncatedEnd.size() > kMaxTimingBytes) {
      json += kTruncatedEnd;
      return json;
    }
    json += entry;
  }
  json += "]}";
  return json;
}

std::string InferCalls::RequestId(const Rpc& rpc, std::string_view from_message) {
  if (!from_message.empty()) return MetadataText(from_message, kMaxRequestId);
  const std::optional<std::string_view> from_metadata = rpc.metadata(kRequestIdKey);
  if (from_metadata.has_value() && !from_metadata->empty()) {
    return MetadataText(*from_metadata, kMaxRequestId);
  }
  return absl::StrFormat("%016x", absl::Uniform<uint64_t>(random_));
}

void InferCalls::Refuse(Rpc& rpc, std::string_view request_id, absl::Status status,
                        std::optional<InferTarget> target) {
  serving_.CountRefused(target, status.code());
  rpc.AddTrailingMetadata(std::string(kRequestIdKey), RequestId(rpc, request_id));
  FinishWith(rpc, status);
}

InferOptions InferCalls::OptionsOf(const Rpc& rpc, const InferRequest& request) {
  InferOptions options;
  options.received = request.received;
  options.request_id = RequestId(rpc, request.request_id);
  options.want_timing = rpc.metadata(kTimingKey) == "1";
  options.deadline = std::min(rpc.deadline(), request.received + TimeoutOf(request.target));
  if (request.timeout.has_value()) {
    options.deadline = std::min(options.deadline, request.received + *request.timeout);
  }
  return options;
}

void InferCalls::Start(Rpc& rpc, InferRequest request) {
  InferOptions options = OptionsOf(rpc, request);
  rpc.AddTrailingMetadata(std::string(kRequestIdKey), options.request_id);
  if (options.deadline <= clock_.Now()) {
    serving_.CountRefused(request.target, absl::StatusCode::kDeadlineExceeded);
    FinishWith(rpc, absl::DeadlineExceededError(
                        StrCat("the deadline of the request to '", NameOf(request.target),
                               "' had passed before it began; give it more time")));
    return;
  }

  Call& call = calls_[&rpc];
  call.encode = std::move(request.encode);
  call.received = request.received;
  call.started = clock_.Now();
  call.want_timing = options.want_timing;
  rpc.OnCancelled([this, &rpc] { Cancel(rpc); });
  call.pending = serving_.Start(
      request.target, std::move(request.inputs.values), request.inputs.rows, std::move(options),
      [this, &rpc](absl::StatusOr<InferReply> reply) { Finish(rpc, std::move(reply)); });
}

void InferCalls::Finish(Rpc& rpc, absl::StatusOr<InferReply> reply) {
  auto node = calls_.extract(&rpc);
  Call& call = node.mapped();
  if (!reply.ok()) {
    FinishWith(rpc, reply.status());
    return;
  }
  absl::StatusOr<grpc::ByteBuffer> message = call.encode(reply->outputs);
  if (!message.ok()) {
    FinishWith(rpc, message.status());
    return;
  }
  if (call.want_timing) {
    rpc.AddTrailingMetadata(
        std::string(kTimingKey),
        TimingJson(clock_.Now() - call.received, call.started - call.received, reply->steps));
  }
  rpc.Finish(absl::OkStatus(), *std::move(message));
}

void InferCalls::Cancel(Rpc& rpc) {
  auto node = calls_.extract(&rpc);
  if (node.empty()) return;
  node.mapped().pending.reset();
  FinishWith(rpc, absl::CancelledError("the client cancelled the request, or its deadline passed"));
}

}  // namespace tiffin::gateway
