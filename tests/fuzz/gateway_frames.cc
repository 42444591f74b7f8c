// What a worker reads of a gateway: messages of frames on a session's stream. Calls are queued only
// if their inputs fit the method's signature, with views of just the bytes that came; a message
// that is none, or a frame out of place, ends the session with a status; every other Execute is
// answered or queued, or waits for a segment. Nothing of it ends the worker.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/async/message.h"
#include "common/log/log.h"
#include "common/session/frames.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/quiet_protobuf.h"
#include "worker/runtime/session.h"

namespace tiffin::worker {
namespace {

using fuzz::Require;

// Nothing runs by itself: its calls stay in the queue.
class IdleBackend : public Backend {
 public:
  const Signature& signature() const override { return signature_; }
  int concurrency() const override { return 0; }
  absl::Status Run(const Invocation& /*invocation*/, Outputs& /*outputs*/) override {
    return absl::OkStatus();
  }

 private:
  const Signature signature_ = {
      {"run", {.inputs = {{"in", TensorType(DataType::kUint8, {-1})}}, .outputs = {}}},
      {"rows",
       {.inputs = {{"numbers", TensorType(DataType::kFp32, {2})},
                   {"text", SingleType(ValueKind::kText)}},
        .outputs = {},
        .batchable = true,
        .max_batch_size = 64}},
      {"picture", {.inputs = {{"image", SingleType(ValueKind::kImage)}}, .outputs = {}}},
  };
};

// The stream of a session, whose gateway is the input.
class Stream : public Rpc {
 public:
  std::string_view method() const override { return "/tiffin.worker.v1.Worker/Attach"; }
  std::optional<std::string_view> metadata(std::string_view) const override { return {}; }
  std::vector<std::string_view> metadata_values(std::string_view) const override { return {}; }
  absl::Time deadline() const override { return absl::InfiniteFuture(); }
  void AddTrailingMetadata(std::string, std::string) override {}
  void Read(absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> done) override {
    Require(!ended_ && read_ == nullptr, "one message is read at a time");
    read_ = std::move(done);
  }
  void Write(grpc::ByteBuffer message, absl::AnyInvocable<void(bool ok)> done) override {
    Require(!ended_, "nothing is written after the end");
    v1::Frames frames;
    Require(FromByteBuffer(message, frames), "what a session writes are frames");
    for (const v1::Frame& frame : frames.frames()) {
      if (frame.has_result()) ++answers_;
    }
    written_ = std::move(done);
  }
  void Finish(absl::Status status, std::optional<grpc::ByteBuffer> /*message*/) override {
    Require(!ended_, "a session ends once");
    ended_ = true;
    status_ = std::move(status);
  }
  void OnCancelled(absl::AnyInvocable<void()> /*callback*/) override {}

  // False if the session reads no more.
  bool Send(std::string_view bytes) {
    if (ended_ || read_ == nullptr) return false;
    const grpc::Slice slice(bytes.data(), bytes.size());
    std::exchange(read_, nullptr)(grpc::ByteBuffer(&slice, 1));
    while (!ended_ && written_ != nullptr) std::exchange(written_, nullptr)(true);
    return !ended_;
  }
  bool ended() const { return ended_; }
  const absl::Status& status() const { return status_; }
  size_t answers() const { return answers_; }

 private:
  absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> read_;
  absl::AnyInvocable<void(bool)> written_;
  bool ended_ = false;
  absl::Status status_;
  size_t answers_ = 0;
};

// Whether tensors lie in segments, or come in pieces.
enum class Tensors { kShared, kInline };

std::string AttachMessage(Tensors tensors) {
  v1::Frames frames;
  v1::Attach& attach = *frames.add_frames()->mutable_attach();
  attach.set_protocol_version(session::kProtocolVersion);
  attach.set_session(7);
  attach.set_inline_tensors(tensors == Tensors::kInline);
  return frames.SerializeAsString();
}

// Those that wait for no segment, and no piece.
size_t CountExecutes(std::string_view message) {
  v1::Frames frames;
  size_t count = 0;
  if (!frames.ParseFromArray(message.data(), static_cast<int>(message.size()))) return count;
  for (const v1::Frame& frame : frames.frames()) {
    const auto& inputs = frame.execute().inputs();
    const bool waits = std::any_of(inputs.begin(), inputs.end(), [](const v1::Tensor& tensor) {
      return tensor.segment() != 0 || tensor.in_pieces();
    });
    if (frame.has_execute() && !waits) ++count;
  }
  return count;
}

void CheckQueued(const QueuedCall& call) {
  const MethodSignature& method = *call.signature;
  Require(call.inputs.size() == method.inputs.size(), "a call has the method's inputs");
  Require(call.rows >= 1 && (method.batchable || call.rows == 1), "a call has rows");
  Require(method.max_batch_size == 0 || call.rows <= method.max_batch_size,
          "a call has not too many rows");
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    const TensorView& input = call.inputs[i];
    Require(input.dtype == method.inputs[i].type.dtype, "an input has the signature's dtype");
    Require(ValidateTensor(input).ok(), "an input that came inline is whole");
    Require(!method.batchable || input.shape.front() == call.rows, "an input has the call's rows");
  }
}

void Check(std::string_view input, Tensors tensors) {
  static const log::Log log({.level = log::Level::kError});
  static grpc::CompletionQueue events;
  static Loop loop(events, Clock::Monotonic());
  static Watcher watcher;
  static IdleBackend backend;
  static const std::unique_ptr<session::ExecutingPage> page =
      session::ExecutingPage::Create(8).value();
  static const WorkerDescription description{
      .backend = "idle", .model = "", .model_digest = "", .methods = backend.signature()};

  CallQueue queue(Clock::Monotonic());
  Executor executor(backend, queue, *page, Clock::Monotonic());
  WorkerParts parts{.loop = loop,
                    .watcher = watcher,
                    .executor = executor,
                    .page = *page,
                    .signature = backend.signature(),
                    .description = description,
                    .incarnation = 1,
                    .limits = {}};
  Stream stream;
  {
    Session session(
        stream, parts, [](uint64_t) {}, [] {});
    Require(stream.Send(AttachMessage(tensors)), "a session can be attached");
    (void)stream.Send(input);
    Require(session.ended() == stream.ended(), "the session knows of its end");
    Require(!stream.ended() || !stream.status().ok(), "an end has a reason");
    Require(stream.ended() || stream.answers() + queue.size() >= CountExecutes(input),
            "every call is answered or queued");
  }
  Require(stream.ended(), "a session that is gone has ended its stream");
  queue.Close();
  while (std::optional<Batch> batch = queue.Pop()) {
    for (const auto& call : batch->calls) CheckQueued(*call);
  }
}

}  // namespace
}  // namespace tiffin::worker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input = tiffin::fuzz::Input(data, size).Rest();
  tiffin::worker::Check(input, tiffin::worker::Tensors::kShared);
  tiffin::worker::Check(input, tiffin::worker::Tensors::kInline);
  return 0;
}
