#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "common/session/frame_assembler.h"
#include "common/shm/descriptor_socket.h"
#include "common/shm/segment.h"
#include "tests/unit/common/async/blocking_call.h"
#include "tiffin/worker/v1/worker.pb.h"

namespace tiffin::worker {

// What call frames travel on.
enum class Carrier { kExpress, kStream };

// The gateway's end of a session, by hand: it need not keep to the protocol.
class RawGateway {
 public:
  // kSilent: sends nothing by itself.
  enum class Begin { kAttach, kSilent };
  RawGateway(const std::string& path, uint64_t session, Carrier carrier,
             Begin begin = Begin::kAttach);

  // On the session's carrier.
  void Send(const v1::Frame& frame);
  void SendOnStream(const v1::Frame& frame);
  void SendRaw(const std::string& bytes) { call_.Write(bytes); }
  void SendOnSocket(const std::string& message);

  // The next frame on the session's carrier, waiting for it; heartbeats are skipped. None at its
  // end.
  v1::Frame Next();
  v1::Frame NextOnStream();
  v1::Result NextResult() { return Next().result(); }
  // The status that the worker ends the stream with.
  grpc::Status End();
  BlockingCall& call() { return call_; }

  // The next segment that the worker announces, waiting for it.
  shm::DescriptorSocket::Received NextAnnouncement();

  // By kAttach it is connected.
  void ConnectSocket();
  void Announce(uint64_t id, const shm::OwnedSegment& segment);
  shm::DescriptorSocket& socket() { return *socket_; }

 private:
  // Takes what comes on the socket until `enough`. False: it has ended, or nothing comes.
  bool AwaitSocket(const std::function<bool()>& enough);

  const std::string path_;
  const uint64_t session_;
  Carrier carrier_ = Carrier::kStream;
  BlockingCall call_;
  std::deque<v1::Frame> frames_;
  std::optional<shm::DescriptorSocket> socket_;
  session::FrameAssembler assembler_;
  std::deque<v1::Frame> express_frames_;
  std::deque<shm::DescriptorSocket::Received> announcements_;
};

}  // namespace tiffin::worker
