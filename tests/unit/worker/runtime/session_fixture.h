#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "common/session/frame_assembler.h"
#include "common/session/frames.h"
#include "common/shm/descriptor_socket.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/blocking_call.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/worker/runtime/controlled_backend.h"
#include "tests/unit/worker/runtime/in_process_worker.h"

// Sessions as a gateway meets them, one that need not keep to the protocol.
namespace tiffin::worker {

inline constexpr uint64_t kSegmentSize = 1 << 16;
inline constexpr uint32_t kUint8 = static_cast<uint32_t>(DataType::kUint8);

// What call frames travel on.
enum class Carrier { kExpress, kStream };

// The gateway's end of a session, by hand.
class RawGateway {
 public:
  // kSilent: sends nothing by itself.
  enum class Begin { kAttach, kSilent };
  RawGateway(const std::string& path, uint64_t session, Carrier carrier,
             Begin begin = Begin::kAttach)
      : path_(path), session_(session), call_(TestChannel("unix:" + path), session::kAttachMethod) {
    if (begin == Begin::kSilent) return;
    v1::Frame attach;
    attach.mutable_attach()->set_protocol_version(session::kProtocolVersion);
    attach.mutable_attach()->set_session(session);
    attach.mutable_attach()->set_express(carrier == Carrier::kExpress);
    SendOnStream(attach);
    const v1::Frame hello = NextOnStream();
    EXPECT_TRUE(hello.has_hello());
    EXPECT_EQ(hello.hello().express(), carrier == Carrier::kExpress);
    if (carrier != Carrier::kExpress) return;
    ConnectSocket();
    carrier_ = Carrier::kExpress;
  }

  // On the session's carrier.
  void Send(const v1::Frame& frame) {
    if (carrier_ == Carrier::kStream) {
      SendOnStream(frame);
    } else {
      SendOnSocket(Message(frame));
    }
  }
  void SendOnStream(const v1::Frame& frame) { SendRaw(Message(frame)); }
  void SendRaw(const std::string& bytes) { call_.Write(bytes); }
  void SendOnSocket(const std::string& message) {
    EXPECT_TRUE(socket_->SendPiece(message.size(), AsBytes(message)).ok());
  }

  // The next frame on the session's carrier, waiting for it; heartbeats are skipped. None at its
  // end.
  v1::Frame Next() {
    if (carrier_ == Carrier::kStream) return NextOnStream();
    const bool came = AwaitSocket([this] { return !express_frames_.empty(); });
    if (!came) return {};
    v1::Frame frame = std::move(express_frames_.front());
    express_frames_.pop_front();
    return frame;
  }
  v1::Frame NextOnStream() {
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
  v1::Result NextResult() { return Next().result(); }
  // The status that the worker ends the stream with.
  grpc::Status End() {
    while (NextOnStream().kind_case() != v1::Frame::KIND_NOT_SET) {
    }
    return call_.Finish();
  }
  BlockingCall& call() { return call_; }

  // The next segment that the worker announces, waiting for it.
  shm::DescriptorSocket::Received NextAnnouncement() {
    if (!AwaitSocket([this] { return !announcements_.empty(); })) {
      ADD_FAILURE() << "the worker announced nothing";
      return {};
    }
    shm::DescriptorSocket::Received announced = std::move(announcements_.front());
    announcements_.pop_front();
    return announced;
  }

  // With the express lane it is connected by Begin.
  void ConnectSocket() {
    if (socket_.has_value()) return;
    auto socket = shm::DescriptorSocket::Connect(path_ + ".fd");
    ASSERT_TRUE(socket.ok()) << socket.status();
    socket_.emplace(*std::move(socket));
    ASSERT_TRUE(socket_->Send({.session = session_}, std::nullopt).ok());
  }
  void Announce(uint64_t id, const shm::OwnedSegment& segment) {
    ASSERT_TRUE(
        socket_->Send({.session = session_, .segment = id, .size = segment.size()}, segment.fd())
            .ok());
  }
  shm::DescriptorSocket& socket() { return *socket_; }

 private:
  static std::string Message(const v1::Frame& frame) {
    v1::Frames frames;
    *frames.add_frames() = frame;
    return frames.SerializeAsString();
  }

  // Takes what comes on the socket until `enough`. False: it has ended, or nothing comes.
  template <typename Predicate>
  bool AwaitSocket(Predicate enough) {
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

inline v1::Frame ExecuteFrame(uint64_t call) {
  v1::Frame frame;
  v1::Execute& execute = *frame.mutable_execute();
  execute.set_call(call);
  execute.set_method("run");
  execute.set_rows(1);
  execute.set_time_left_us(60'000'000);
  return frame;
}

inline v1::Frame ExecuteInline(uint64_t call, const std::string& bytes) {
  v1::Frame frame = ExecuteFrame(call);
  v1::Tensor& input = *frame.mutable_execute()->add_inputs();
  input.set_dtype(kUint8);
  input.add_shape(static_cast<int64_t>(bytes.size()));
  input.set_inline_bytes(bytes);
  return frame;
}

inline v1::Frame ExecuteReference(uint64_t call, uint64_t segment, uint64_t offset, uint64_t size) {
  v1::Frame frame = ExecuteFrame(call);
  v1::Tensor& input = *frame.mutable_execute()->add_inputs();
  input.set_dtype(kUint8);
  input.add_shape(static_cast<int64_t>(size));
  input.set_segment(segment);
  input.set_offset(offset);
  input.set_size(size);
  return frame;
}

inline v1::Frame CancelFrame(uint64_t call) {
  v1::Frame frame;
  frame.mutable_cancel()->set_call(call);
  return frame;
}

// The parameter is what call frames travel on: all tests are for both carriers.
class SessionTest : public ::testing::TestWithParam<Carrier> {
 protected:
  SessionTest() {
    auto segment = shm::OwnedSegment::Create(kSegmentSize);
    EXPECT_TRUE(segment.ok()) << segment.status();
    segment_.emplace(*std::move(segment));
    std::fill(segment_->bytes().begin(), segment_->bytes().end(), std::byte{'g'});
  }
  ~SessionTest() override { gate_->Open(); }

  void ExpectStillServing(RawGateway& gateway) {
    gateway.Send(ExecuteInline(77, "after"));
    const v1::Result result = gateway.NextResult();
    EXPECT_EQ(result.call(), 77U);
    EXPECT_EQ(result.code(), 0U) << result.message();
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/w";
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();  // Shared with the backend.
  ControlledBackend backend_{BytesSignature(), Identity};
  InProcessWorker worker_{path_, backend_};
  std::optional<shm::OwnedSegment> segment_;
};

// For INSTANTIATE_TEST_SUITE_P.
inline const auto kCarriers = ::testing::Values(Carrier::kExpress, Carrier::kStream);
inline std::string CarrierName(const ::testing::TestParamInfo<Carrier>& info) {
  return info.param == Carrier::kExpress ? "Express" : "Stream";
}

}  // namespace tiffin::worker
