#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/async/rpc_server.h"
#include "common/session/frame_assembler.h"
#include "common/session/frame_writer.h"
#include "common/shm/descriptor_socket.h"
#include "common/signature.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tiffin/worker/v1/worker.pb.h"

namespace tiffin::gateway {

// The far end of sessions, played by the test: it reads the gateway's frames and sends what it
// likes. Says Hello by itself. Everything is for the test's thread.
class FakeWorker : public RpcService {
 public:
  // kAsAsked: the express lane if the gateway asks for it.
  enum class Express { kNever, kAsAsked, kAlways };
  FakeWorker(const std::string& path, Signature signature, Express express = Express::kAsAsked);
  ~FakeWorker() override;

  // The next frame of the gateway, waiting for it; Attach is not among them.
  worker::v1::Frame Next();
  // The next frame that is Execute, waiting for it. Skips others.
  worker::v1::Execute NextExecute();
  // True if the gateway sent nothing more. Only of use after something that came later was seen.
  [[nodiscard]] bool NothingMore();

  // On the carrier that such frames travel on.
  void Send(const worker::v1::Frame& frame) { SendAll({frame}); }
  // In one message.
  void SendAll(const std::vector<worker::v1::Frame>& frames);
  void SendOnStream(const worker::v1::Frame& frame);
  // Bytes that may be no message.
  void SendOnSocket(uint64_t total, const std::string& piece);

  // Waits for the session's descriptor socket and its greeting. The sockets of sessions before stay
  // open: the process lives.
  void AwaitSocket();
  // Announces `index` on the session's socket; `session` other than the session's own is a lie.
  void Announce(uint64_t index, uint64_t size, int fd, std::optional<uint64_t> session = {});
  // The next segment that the gateway announces, waiting for it.
  shm::DescriptorSocket::Received NextAnnouncement();
  // As if the process, or its calls, had ended.
  void CloseSockets();

  void EndStream(const absl::Status& status);
  // Sessions that began so far.
  int sessions();
  // Of the last socket that greeted.
  uint64_t session();

 private:
  bool Start(Rpc& rpc) override;
  void ReadNext(Rpc& rpc);
  void OnAttach(const worker::v1::Attach& attach);
  // Takes what has come on the sockets.
  void Pump();

  const Signature signature_;
  const Express express_;
  RpcServer rpc_server_;
  LoopThread loop_;

  // On the loop's thread.
  std::optional<shm::DescriptorListener> listener_;
  std::vector<shm::DescriptorSocket> sockets_;
  uint64_t session_ = 0;  // Of the last socket; 0 until it has greeted.
  int greetings_ = 0;
  int awaited_greetings_ = 0;
  bool uses_express_ = false;
  std::deque<shm::DescriptorSocket::Received> announcements_;
  session::FrameAssembler assembler_;
  Rpc* rpc_ = nullptr;                            // Null between sessions.
  std::shared_ptr<session::FrameWriter> writer_;  // Shared with writes under way.
  std::deque<worker::v1::Frame> frames_;
  int session_count_ = 0;
};

// A result frame without outputs.
worker::v1::Frame ResultOf(uint64_t call);
worker::v1::Frame ErrorOf(uint64_t call, absl::StatusCode code);
// A result frame with one inline uint8 tensor.
worker::v1::Frame InlineResult(uint64_t call, const std::string& bytes);
// A result frame with one uint8 tensor in a segment.
worker::v1::Frame ReferenceResult(uint64_t call, uint64_t segment, uint64_t offset, uint64_t size);

}  // namespace tiffin::gateway
