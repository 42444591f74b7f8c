// What a gateway reads of a worker: messages of frames. A result's outputs are accepted only if
// they fit the method's signature, and all of their bytes are inside the segment that they name; a
// worker's times and rows are never negative, whatever it says; a description that is understood is
// the same when it is written and read again. Nothing of it ends the gateway.
#include <fcntl.h>

#include <memory>
#include <string>

#include "common/async/watcher.h"
#include "common/shm/segment.h"
#include "gateway/dispatch/oom_kills.h"
#include "gateway/dispatch/worker_result.h"
#include "gateway/dispatch/worker_session.h"
#include "nlohmann/json.hpp"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/quiet_protobuf.h"

namespace tiffin::gateway {
namespace {

using fuzz::Require;

constexpr uint64_t kSegmentSize = 1 << 16;

// Each of the kinds of outputs.
Signature AllKinds() {
  const TensorSpec text{"text", SingleType(ValueKind::kText)};
  const TensorSpec numbers{"numbers", TensorType(DataType::kFp32, {-1, 2})};
  const TensorSpec bytes{"bytes", TensorType(DataType::kBytes, {-1})};
  return {
      {"one", {.inputs = {}, .outputs = {numbers}}},
      {"several", {.inputs = {}, .outputs = {text, numbers, bytes}}},
      {"rows", {.inputs = {}, .outputs = {numbers, text}, .batchable = true}},
  };
}

// A gateway's session that never connects: results are given to it without one.
class Gateway {
 public:
  Gateway()
      : session_(parts_, {.target = "unix:/nonexistent/worker", .server_name = ""}, metrics_,
                 {.ready = [](const WorkerDescription&) {},
                  .lost = [](const absl::Status&) {},
                  .buried = [] {},
                  .suspect = [](const CallContent&, const WorkerDeath&) {}}) {
    for (const uint64_t index : {1U, 2U, 7U}) {
      auto owned = shm::OwnedSegment::Create(kSegmentSize);
      Require(owned.ok(), "there is memory for a segment");
      auto foreign = shm::ForeignSegment::Receive(UniqueFd(fcntl(owned->fd(), F_DUPFD_CLOEXEC, 0)),
                                                  kSegmentSize);
      Require(foreign.ok(), "a segment can be received");
      segments_[index] =
          std::make_shared<WorkerSegment>(*std::move(foreign), names_, metrics_.segment_bytes);
    }
  }

  void Take(const worker::v1::Result& result) {
    // Where one is still on its way, a session waits for it.
    for (const worker::v1::Tensor& tensor : result.outputs()) {
      if (tensor.segment() != 0 && !segments_.contains(tensor.segment())) return;
    }
    for (const auto& [name, method] : signature_) {
      const CallForm form{.signature = method, .rows = method.batchable ? 3 : 1};
      const auto taken = TakeResult(result, form, segments_, self_);
      if (taken.ok()) {
        CheckTaken(*taken, form);
      } else {
        Require(result.code() != 0 || absl::IsInternal(taken.status()), "a bad result is INTERNAL");
      }
    }
    Require(metrics_.leases.value() == 0, "no lease is left");
  }

 private:
  static void CheckTaken(const CallResult& result, const CallForm& form) {
    for (const absl::Duration time :
         {result.timings.queue, result.timings.batch, result.timings.compute}) {
      Require(time >= absl::ZeroDuration(), "no time is negative");
    }
    for (const Executions& executions : result.executions) {
      Require(executions.rows > 0, "an execution has rows");
    }
    Require(result.outputs.size() == form.signature.outputs.size(), "every output is there");
    for (size_t i = 0; i < result.outputs.size(); ++i) {
      const Value& value = result.outputs[i];
      const ValueType& type = form.signature.outputs[i].type;
      Require(value.dtype == type.dtype, "an output has the signature's dtype");
      Require(value.rows() == form.rows, "an output has the call's rows");
      Require(value.shape.size() == type.shape.size() + 1, "an output has the signature's rank");
      const absl::StatusOr<TensorView> view = value.View();
      Require(view.ok(), "an output can be seen");
      if (value.dtype != DataType::kBytes) {
        Require(ValidateTensor(*view).ok(), "an output has the bytes of its shape");
      }
      // Every byte is to be read, so that one outside the segment is found.
      const std::string copy(AsStringView(view->bytes));
      (void)ParseBytesElements(AsBytes(copy)).ok();
    }
  }

  const Signature signature_ = AllKinds();
  metrics::GatewayMetrics gateway_metrics_;
  metrics::ReplicaMetrics metrics_;
  grpc::CompletionQueue queue_;
  Loop loop_{queue_, Clock::Monotonic()};
  Watcher watcher_;
  SegmentNames names_;
  GatewayMemory memory_{{}, Clock::Monotonic(), names_, gateway_metrics_};
  OomKills oom_kills_{[] { return uint64_t{0}; }, Clock::Monotonic()};
  DispatchParts parts_{.loop = loop_,
                       .watcher = watcher_,
                       .names = names_,
                       .memory = memory_,
                       .oom_kills = oom_kills_};
  WorkerSegments segments_;
  WorkerSession session_;
  // As the session's own, which its leases share.
  const std::shared_ptr<WorkerSession*> self_ = std::make_shared<WorkerSession*>(&session_);
};

void CheckDescription(const std::string& text) {
  const absl::StatusOr<WorkerDescription> description = WorkerDescriptionFromJson(text);
  if (!description.ok()) return;
  const std::string written = nlohmann::json(*description).dump();
  const absl::StatusOr<WorkerDescription> again = WorkerDescriptionFromJson(written);
  Require(again.ok() && nlohmann::json(*again).dump() == written,
          "a description is what it was when it is read again");
}

void Check(std::string_view message) {
  // Never destroyed: its loop never runs, so gRPC would never give the stream back.
  static Gateway& gateway = *new Gateway;
  worker::v1::Frames frames;
  if (!frames.ParseFromArray(message.data(), static_cast<int>(message.size()))) return;
  for (const worker::v1::Frame& frame : frames.frames()) {
    if (frame.has_result()) gateway.Take(frame.result());
    if (frame.has_hello()) CheckDescription(frame.hello().description());
  }
}

}  // namespace
}  // namespace tiffin::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::gateway::Check(tiffin::fuzz::Input(data, size).Rest());
  return 0;
}
