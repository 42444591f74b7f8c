#include "tests/unit/gateway/dispatch/fake_worker.h"

#include <utility>

#include "common/async/message.h"
#include "common/session/frames.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway {

FakeWorker::FakeWorker(const std::string& path, Signature signature, Express express)
    : signature_(std::move(signature)), express_(express), loop_(rpc_server_.queue()) {
  auto listener = shm::DescriptorListener::Create(path + ".fd");
  EXPECT_TRUE(listener.ok()) << listener.status();
  if (listener.ok()) listener_.emplace(*std::move(listener));
  loop_.Do([&] {
    const auto opened = rpc_server_.Open("unix:" + path, loop_.loop(), {this});
    EXPECT_TRUE(opened.ok()) << opened.status();
  });
}

FakeWorker::~FakeWorker() {
  EndStream(absl::UnavailableError("the test is over"));
  rpc_server_.Shutdown(absl::ZeroDuration());
  loop_.Stop();
}

bool FakeWorker::Start(Rpc& rpc) {
  EXPECT_EQ(rpc.method(), session::kAttachMethod);
  if (rpc_ != nullptr) {
    ADD_FAILURE() << "a second session beside the first";
    rpc.Finish(absl::InternalError("one at a time"), std::nullopt);
    return true;
  }
  rpc_ = &rpc;
  writer_ = std::make_shared<session::FrameWriter>(
      session::FrameWriter::Initially::kWritable, [this, &rpc](const worker::v1::Frames& message) {
        rpc.Write(ToByteBuffer(message), [writer = writer_](bool ok) { writer->OnWritten(ok); });
        return session::FrameWriter::Progress::kStarted;
      });
  rpc.OnCancelled([this, &rpc] {
    rpc_ = nullptr;
    rpc.Finish(absl::CancelledError("the gateway is gone"), std::nullopt);
  });
  ReadNext(rpc);
  return true;
}

void FakeWorker::ReadNext(Rpc& rpc) {
  rpc.Read([this, &rpc](std::optional<grpc::ByteBuffer> message) {
    worker::v1::Frames frames;
    if (!message.has_value() || !FromByteBuffer(*message, frames)) return;
    for (worker::v1::Frame& frame : *frames.mutable_frames()) {
      if (frame.has_attach()) {
        OnAttach(frame.attach());
      } else {
        EXPECT_FALSE(uses_express_) << "a frame on the stream: " << frame.ShortDebugString();
        frames_.push_back(std::move(frame));
      }
    }
    ReadNext(rpc);
  });
}

void FakeWorker::OnAttach(const worker::v1::Attach& attach) {
  ++session_count_;
  uses_express_ =
      express_ == Express::kAlways || (express_ == Express::kAsAsked && attach.express());
  WorkerDescription description;
  description.backend = "fake";
  description.methods = signature_;
  writer_->Add([&](worker::v1::Frame& hello) {
    hello.mutable_hello()->set_protocol_version(session::kProtocolVersion);
    hello.mutable_hello()->set_incarnation(1);
    hello.mutable_hello()->set_description(nlohmann::json(description).dump());
    hello.mutable_hello()->set_express(uses_express_);
  });
  writer_->Flush();
}

void FakeWorker::Pump() {
  for (auto socket = listener_->Accept(); socket.ok() && socket->has_value();
       socket = listener_->Accept()) {
    sockets_.push_back(**std::move(socket));
    session_ = 0;
  }
  if (sockets_.empty()) return;
  while (true) {
    auto received = sockets_.back().Receive();
    if (!received.ok() || !received->has_value()) return;
    if (session_ == 0) {
      session_ = (*received)->announcement.session;
      ++greetings_;
    } else if ((*received)->total == 0) {
      announcements_.push_back(**std::move(received));
    } else {
      EXPECT_TRUE(uses_express_);
      const auto frames = assembler_.Add((*received)->total, (*received)->piece);
      ASSERT_TRUE(frames.ok()) << frames.status();
      if (*frames == nullptr) continue;
      for (worker::v1::Frame& frame : *(*frames)->mutable_frames()) {
        frames_.push_back(std::move(frame));
      }
    }
  }
}

worker::v1::Frame FakeWorker::Next() {
  worker::v1::Frame frame;
  const bool came = loop_.Await([&] {
    Pump();
    if (frames_.empty()) return false;
    frame = std::move(frames_.front());
    frames_.pop_front();
    return true;
  });
  EXPECT_TRUE(came) << "the gateway sent no frame";
  return frame;
}

worker::v1::Execute FakeWorker::NextExecute() {
  worker::v1::Frame frame = Next();
  while (!frame.has_execute() && frame.kind_case() != worker::v1::Frame::KIND_NOT_SET) {
    frame = Next();
  }
  return frame.execute();
}

bool FakeWorker::NothingMore() {
  return loop_.Do([&] {
    Pump();
    return frames_.empty();
  });
}

void FakeWorker::SendAll(const std::vector<worker::v1::Frame>& frames) {
  const bool on_socket = loop_.Do([&] { return uses_express_; }) && !frames.front().has_hello() &&
                         !frames.front().has_state();
  if (on_socket) {
    worker::v1::Frames message;
    for (const worker::v1::Frame& frame : frames) *message.add_frames() = frame;
    SendOnSocket(message.ByteSizeLong(), message.SerializeAsString());
    return;
  }
  loop_.Do([&] {
    ASSERT_NE(rpc_, nullptr) << "no session";
    for (const worker::v1::Frame& frame : frames) {
      writer_->Add([&](worker::v1::Frame& added) { added = frame; });
    }
    writer_->Flush();
  });
}

void FakeWorker::SendOnStream(const worker::v1::Frame& frame) {
  loop_.Do([&] {
    ASSERT_NE(rpc_, nullptr) << "no session";
    writer_->Add([&](worker::v1::Frame& added) { added = frame; });
    writer_->Flush();
  });
}

void FakeWorker::SendOnSocket(uint64_t total, const std::string& piece) {
  const bool sent = loop_.Await([&] {
    Pump();
    if (sockets_.empty()) return false;
    const absl::Status status = sockets_.back().SendPiece(total, AsBytes(piece));
    EXPECT_TRUE(status.ok() || absl::IsResourceExhausted(status)) << status;
    return !absl::IsResourceExhausted(status);
  });
  EXPECT_TRUE(sent) << "the gateway doesn't read its socket";
}

void FakeWorker::AwaitSocket() {
  const bool came = loop_.Await([&] {
    Pump();
    if (greetings_ == awaited_greetings_) return false;
    awaited_greetings_ = greetings_;
    return true;
  });
  ASSERT_TRUE(came) << "the gateway did not connect its descriptor socket";
}

void FakeWorker::Announce(uint64_t index, uint64_t size, int fd, std::optional<uint64_t> session) {
  loop_.Do([&] {
    const absl::Status sent = sockets_.back().Send(
        {.session = session.value_or(session_), .segment = index, .size = size}, fd);
    EXPECT_TRUE(sent.ok()) << sent;
  });
}

shm::DescriptorSocket::Received FakeWorker::NextAnnouncement() {
  shm::DescriptorSocket::Received taken;
  const bool came = loop_.Await([&] {
    Pump();
    if (announcements_.empty()) return false;
    taken = std::move(announcements_.front());
    announcements_.pop_front();
    return true;
  });
  EXPECT_TRUE(came) << "the gateway announced nothing";
  return taken;
}

void FakeWorker::CloseSockets() {
  loop_.Do([&] { sockets_.clear(); });
}

void FakeWorker::EndStream(const absl::Status& status) {
  loop_.Do([&] {
    if (rpc_ == nullptr) return;
    writer_->Close();
    std::exchange(rpc_, nullptr)->Finish(status, std::nullopt);
  });
}

int FakeWorker::sessions() {
  return loop_.Do([&] { return session_count_; });
}

uint64_t FakeWorker::session() {
  return loop_.Do([&] { return session_; });
}

worker::v1::Frame ResultOf(uint64_t call) {
  worker::v1::Frame frame;
  frame.mutable_result()->set_call(call);
  return frame;
}

worker::v1::Frame ErrorOf(uint64_t call, absl::StatusCode code) {
  worker::v1::Frame frame = ResultOf(call);
  frame.mutable_result()->set_code(static_cast<uint32_t>(code));
  frame.mutable_result()->set_message("as the worker says");
  return frame;
}

worker::v1::Frame InlineResult(uint64_t call, const std::string& bytes) {
  worker::v1::Frame frame = ResultOf(call);
  session::SetInline({.dtype = DataType::kUint8,
                      .shape = {static_cast<int64_t>(bytes.size())},
                      .bytes = AsBytes(bytes)},
                     *frame.mutable_result()->add_outputs());
  return frame;
}

worker::v1::Frame ReferenceResult(uint64_t call, uint64_t segment, uint64_t offset, uint64_t size) {
  worker::v1::Frame frame = ResultOf(call);
  session::SetReference({.segment = segment,
                         .offset = offset,
                         .size = size,
                         .dtype = DataType::kUint8,
                         .shape = {static_cast<int64_t>(size)}},
                        *frame.mutable_result()->add_outputs());
  return frame;
}

}  // namespace tiffin::gateway
