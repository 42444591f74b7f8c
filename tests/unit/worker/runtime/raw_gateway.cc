#include "tests/unit/worker/runtime/raw_gateway.h"

#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "common/session/frames.h"
#include "common/tensor.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"

namespace tiffin::worker {
namespace {

std::string Message(const v1::Frame& frame) {
  v1::Frames frames;
  *frames.add_frames() = frame;
  return frames.SerializeAsString();
}

}  // namespace

RawGateway::RawGateway(const std::string& path, uint64_t session, Carrier carrier, Begin begin)
    : path_(path), session_(session), call_(TestChannel("unix:" + path), session::kAttachMethod) {
  if (begin == Begin::kSilent) return;
  v1::Frame attach;
  attach.mutable_attach()->set_protocol_version(session::kProtocolVersion);
  attach.mutable_attach()->set_session(session);
  attach.mutable_attach()->set_express(carrier == Carrier::kExpress);
  SendOnStream(attach);
  ConnectSocket();
  const v1::Frame hello = NextOnStream();
  EXPECT_TRUE(hello.has_hello());
  EXPECT_EQ(hello.hello().express(), carrier == Carrier::kExpress);
  carrier_ = carrier;
}

void RawGateway::Send(const v1::Frame& frame) {
  if (carrier_ == Carrier::kStream) {
    SendOnStream(frame);
  } else {
    SendOnSocket(Message(frame));
  }
}

void RawGateway::SendOnStream(const v1::Frame& frame) { SendRaw(Message(frame)); }

void RawGateway::SendOnSocket(const std::string& message) {
  EXPECT_TRUE(socket_->SendPiece(message.size(), AsBytes(message)).ok());
}

v1::Frame RawGateway::Next() {
  if (carrier_ == Carrier::kStream) return NextOnStream();
  const bool came = AwaitSocket([this] { return !express_frames_.empty(); });
  if (!came) return {};
  v1::Frame frame = std::move(express_frames_.front());
  express_frames_.pop_front();
  return frame;
}

v1::Frame RawGateway::NextOnStream() {
  while (true) {
    while (frames_.empty()) {
      const std::optional<std::string> message = call_.Read();
      if (!message.has_value()) return {};
      v1::Frames frames;
      EXPECT_TRUE(frames.ParseFromString(*message));
      for (v1::Frame& frame : *frames.mutable_frames()) frames_.push_back(std::move(frame));
    }
    v1::Frame frame = std::move(frames_.front());
    frames_.pop_front();
    if (!frame.has_state()) return frame;
  }
}

grpc::Status RawGateway::End() {
  while (NextOnStream().kind_case() != v1::Frame::KIND_NOT_SET) {
  }
  return call_.Finish();
}

shm::DescriptorSocket::Received RawGateway::NextAnnouncement() {
  if (!AwaitSocket([this] { return !announcements_.empty(); })) {
    ADD_FAILURE() << "the worker announced nothing";
    return {};
  }
  shm::DescriptorSocket::Received announced = std::move(announcements_.front());
  announcements_.pop_front();
  return announced;
}

void RawGateway::ConnectSocket() {
  if (socket_.has_value()) return;
  auto socket = shm::DescriptorSocket::Connect(path_ + ".fd");
  ASSERT_TRUE(socket.ok()) << socket.status();
  socket_.emplace(*std::move(socket));
  ASSERT_TRUE(socket_->Send({.session = session_}, std::nullopt).ok());
}

void RawGateway::Announce(uint64_t id, const shm::OwnedSegment& segment) {
  ASSERT_TRUE(
      socket_->Send({.session = session_, .segment = id, .size = segment.size()}, segment.fd())
          .ok());
}

bool RawGateway::AwaitSocket(const std::function<bool()>& enough) {
  const absl::Time give_up = absl::Now() + kPatience;
  while (!enough()) {
    auto received = socket_->Receive();
    if (!received.ok() || absl::Now() > give_up) return false;
    if (!received->has_value()) {
      std::this_thread::yield();
    } else if ((*received)->total == 0) {
      announcements_.push_back(**std::move(received));
    } else {
      const auto frames = assembler_.Add((*received)->total, (*received)->piece);
      EXPECT_TRUE(frames.ok()) << frames.status();
      if (!frames.ok() || *frames == nullptr) continue;
      for (v1::Frame& frame : *(*frames)->mutable_frames()) {
        express_frames_.push_back(std::move(frame));
      }
    }
  }
  return true;
}

}  // namespace tiffin::worker
