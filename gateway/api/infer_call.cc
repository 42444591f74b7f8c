#include "gateway/api/infer_call.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/strings.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"
#include "gateway/api/timing.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kRequestIdKey = "x-request-id";
constexpr std::string_view kTimingKey = "tiffin-timing";
constexpr std::string_view kTraceparentKey = "traceparent";
constexpr std::string_view kTracestateKey = "tracestate";
constexpr size_t kMaxRequestId = 128;
constexpr uint64_t kMaxId = std::numeric_limits<uint64_t>::max();

// Of a runner called by itself; an API has its own.
constexpr absl::Duration kRunnerTimeout = config::kDefaultApiTimeout;

absl::Duration TimeoutOf(const InferTarget& target) {
  const auto* const* api = std::get_if<const PlannedApi*>(&target);
  return api == nullptr ? kRunnerTimeout : (*api)->timeout;
}

}  // namespace

std::string InferCalls::RequestId(const Rpc& rpc, std::string_view from_message) {
  if (!from_message.empty()) return MetadataText(from_message, kMaxRequestId);
  const std::optional<std::string_view> from_metadata = rpc.metadata(kRequestIdKey);
  if (from_metadata.has_value() && !from_metadata->empty()) {
    return MetadataText(*from_metadata, kMaxRequestId);
  }
  return absl::StrFormat("%016x", absl::Uniform<uint64_t>(random_));
}

TraceContext InferCalls::Trace(const Rpc& rpc) {
  TraceContext trace;
  const std::vector<std::string_view> sent = rpc.metadata_values(kTraceparentKey);
  // Two would be none: nobody knows which one is meant.
  const auto parent = sent.size() == 1 ? ParseTraceparent(sent.front()) : std::nullopt;
  if (parent.has_value()) {
    trace = *parent;
    trace.parent = parent->span;
  } else {
    trace.trace_high = absl::Uniform<uint64_t>(absl::IntervalClosed, random_, 1, kMaxId);
    trace.trace_low = absl::Uniform<uint64_t>(random_);
  }
  trace.span = absl::Uniform<uint64_t>(absl::IntervalClosed, random_, 1, kMaxId);
  return trace;
}

void InferCalls::TellIdentity(Rpc& rpc, std::string request_id, const TraceContext& trace) {
  rpc.AddTrailingMetadata(std::string(kRequestIdKey), std::move(request_id));
  rpc.AddTrailingMetadata(std::string(kTraceparentKey), ToTraceparent(trace));
  if (trace.parent == 0) return;  // A state belongs to its trace.
  std::string state = JoinTracestate(rpc.metadata_values(kTracestateKey));
  if (!state.empty()) rpc.AddTrailingMetadata(std::string(kTracestateKey), std::move(state));
}

void InferCalls::Refuse(Rpc& rpc, std::string_view request_id, absl::Status status,
                        std::optional<InferTarget> target) {
  serving_.CountRefused(target, status.code());
  const std::string id = RequestId(rpc, request_id);
  const TraceContext trace = Trace(rpc);
  TellIdentity(rpc, id, trace);
  if (log_.Wants(status)) {
    log_.Ended({.method = rpc.method(),
                .target = target,
                .rows = 0,
                .request_id = id,
                .trace = trace,
                .duration = {},
                .caller = rpc.caller()},
               status);
  }
  FinishWith(rpc, status);
}

InferOptions InferCalls::OptionsOf(const Rpc& rpc, const InferRequest& request) {
  InferOptions options;
  options.received = request.received;
  options.request_id = RequestId(rpc, request.request_id);
  options.trace = Trace(rpc);
  options.want_timing = rpc.metadata(kTimingKey) == "1";
  options.deadline = std::min(rpc.deadline(), request.received + TimeoutOf(request.target));
  if (request.timeout.has_value()) {
    options.deadline = std::min(options.deadline, request.received + *request.timeout);
  }
  return options;
}

void InferCalls::Start(Rpc& rpc, InferRequest request) {
  InferOptions options = OptionsOf(rpc, request);
  TellIdentity(rpc, options.request_id, options.trace);
  Call call{.pending = nullptr,
            .encode = std::move(request.encode),
            .received = request.received,
            .started = clock_.Now(),
            .want_timing = options.want_timing,
            .target = request.target,
            .rows = request.inputs.rows,
            .request_id = options.request_id,
            .trace = options.trace};
  if (options.deadline <= call.started) {
    serving_.CountRefused(request.target, absl::StatusCode::kDeadlineExceeded);
    End(rpc, call,
        absl::DeadlineExceededError(StrCat("the deadline of the request to '",
                                           NameOf(request.target),
                                           "' had passed before it began; give it more time")),
        std::nullopt);
    return;
  }

  Call& under_way = calls_[&rpc] = std::move(call);
  rpc.OnCancelled([this, &rpc] { Cancel(rpc); });
  under_way.pending = serving_.Start(
      request.target, std::move(request.inputs.values), request.inputs.rows, std::move(options),
      [this, &rpc](absl::StatusOr<InferReply> reply) { Finish(rpc, std::move(reply)); });
}

void InferCalls::Finish(Rpc& rpc, absl::StatusOr<InferReply> reply) {
  auto node = calls_.extract(&rpc);
  Call& call = node.mapped();
  if (!reply.ok()) return End(rpc, call, reply.status(), std::nullopt);
  absl::StatusOr<grpc::ByteBuffer> message = call.encode(reply->outputs);
  call.pending->OnEncoded(message.status());
  if (!message.ok()) return End(rpc, call, message.status(), std::nullopt);
  if (call.want_timing) {
    rpc.AddTrailingMetadata(std::string(kTimingKey),
                            TimingJson({.total = clock_.Now() - call.received,
                                        .parse = call.started - call.received,
                                        .steps = reply->steps,
                                        .critical_path = reply->critical_path}));
  }
  End(rpc, call, absl::OkStatus(), *std::move(message));
}

void InferCalls::Cancel(Rpc& rpc) {
  auto node = calls_.extract(&rpc);
  if (node.empty()) return;
  node.mapped().pending.reset();
  End(rpc, node.mapped(),
      absl::CancelledError("the client cancelled the request, or its deadline passed"),
      std::nullopt);
}

void InferCalls::End(Rpc& rpc, const Call& call, const absl::Status& status,
                     std::optional<grpc::ByteBuffer> message) {
  if (log_.Wants(status)) {
    log_.Ended({.method = rpc.method(),
                .target = call.target,
                .rows = call.rows,
                .request_id = call.request_id,
                .trace = call.trace,
                .duration = clock_.Now() - call.received,
                .caller = rpc.caller()},
               status);
  }
  if (status.ok()) {
    rpc.Finish(absl::OkStatus(), std::move(message));
  } else {
    FinishWith(rpc, status);
  }
}

}  // namespace tiffin::gateway
