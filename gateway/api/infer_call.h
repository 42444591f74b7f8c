#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/random/random.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/trace_context.h"
#include "gateway/api/interface.h"
#include "gateway/api/request_log.h"
#include "gateway/api/rpc.h"
#include "gateway/api/serving.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin::gateway {

// Makes the reply's message of the outputs.
using EncodeReply =
    absl::AnyInvocable<absl::StatusOr<grpc::ByteBuffer>(const std::vector<Value>& outputs)>;

// A request, decoded.
struct InferRequest {
  InferTarget target;
  InputSet inputs;
  // What the client's message says, where its protocol has such things.
  std::string request_id;
  std::optional<absl::Duration> timeout;
  absl::Time received;  // By the clock that InferCalls has.
  EncodeReply encode;
};

// What all protocols share of an inference RPC, from its decoded request to its finish: request
// ids, deadlines, cancellation, timings and errors. Owns the requests under way; destruction
// cancels them without finishing their RPCs, so the server must be down by then. On the loop's
// thread.
class InferCalls {
 public:
  InferCalls(Serving& serving, const Clock& clock)
      : serving_(serving), clock_(clock), log_(serving.access_log()) {}

  // Takes the RPC and finishes it, with x-request-id and traceparent in its trailing metadata and,
  // where the client asked by `tiffin-timing: 1`, tiffin-timing too.
  void Start(Rpc& rpc, InferRequest request);

  // How to run a request of this RPC: its id, its place in a trace, its deadline, and what it asks
  // for.
  InferOptions OptionsOf(const Rpc& rpc, const InferRequest& request);

  // Finishes an RPC whose request was refused before Start, with x-request-id likewise. `target`:
  // what it was for, where that is known.
  void Refuse(Rpc& rpc, std::string_view request_id, absl::Status status,
              std::optional<InferTarget> target);

  const RequestLog& log() const { return log_; }
  absl::Time Now() const { return clock_.Now(); }
  size_t size() const { return calls_.size(); }

 private:
  struct Call {
    std::unique_ptr<PendingInfer> pending;
    EncodeReply encode;
    absl::Time received;
    absl::Time started;
    bool want_timing = false;
    // For the log.
    InferTarget target;
    int64_t rows = 1;
    std::string request_id;
    TraceContext trace;
  };

  // The message's id, else metadata x-request-id, else a new one; fit for metadata.
  std::string RequestId(const Rpc& rpc, std::string_view from_message);
  // A new span, in the trace that the client has begun, if it sent a good one.
  TraceContext Trace(const Rpc& rpc);
  static void TellIdentity(Rpc& rpc, std::string request_id, const TraceContext& trace);
  // The last thing to do with an RPC.
  void End(Rpc& rpc, const Call& call, const absl::Status& status,
           std::optional<grpc::ByteBuffer> message);
  void Finish(Rpc& rpc, absl::StatusOr<InferReply> reply);
  void Cancel(Rpc& rpc);

  Serving& serving_;
  const Clock& clock_;
  const RequestLog log_;
  absl::BitGen random_;
  std::unordered_map<Rpc*, Call> calls_;
};

}  // namespace tiffin::gateway
