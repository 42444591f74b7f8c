#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/random/random.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "gateway/api/interface.h"
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
  InferCalls(Serving& serving, const Clock& clock) : serving_(serving), clock_(clock) {}

  // Takes the RPC and finishes it, with x-request-id in its trailing metadata and, where the client
  // asked by `tiffin-timing: 1`, tiffin-timing too.
  void Start(Rpc& rpc, InferRequest request);

  // How to run a request of this RPC: its id, its deadline, and what it asks for.
  InferOptions OptionsOf(const Rpc& rpc, const InferRequest& request);

  // Finishes an RPC whose request was refused before Start, with x-request-id likewise. `target`:
  // what it was for, where that is known.
  void Refuse(Rpc& rpc, std::string_view request_id, absl::Status status,
              std::optional<InferTarget> target);

  absl::Time Now() const { return clock_.Now(); }
  size_t size() const { return calls_.size(); }

 private:
  struct Call {
    std::unique_ptr<PendingInfer> pending;
    EncodeReply encode;
    absl::Time received;
    absl::Time started;
    bool want_timing = false;
  };

  // The message's id, else metadata x-request-id, else a new one; fit for metadata.
  std::string RequestId(const Rpc& rpc, std::string_view from_message);
  void Finish(Rpc& rpc, absl::StatusOr<InferReply> reply);
  void Cancel(Rpc& rpc);

  Serving& serving_;
  const Clock& clock_;
  absl::BitGen random_;
  std::unordered_map<Rpc*, Call> calls_;
};

// Metadata beyond about 8 KiB makes an RPC fail.
inline constexpr size_t kMaxTimingBytes = 6000;

// One line of JSON: {total_us, steps: [{name, runner, start_us, end_us, queue_us, batch_us,
// compute_us}]}. `before` passed until the steps' times begin. Leaves the last steps out, and says
// "truncated": true, where it would pass kMaxTimingBytes.
std::string TimingJson(absl::Duration total, absl::Duration before,
                       std::span<const StepTiming> steps);

}  // namespace tiffin::gateway
