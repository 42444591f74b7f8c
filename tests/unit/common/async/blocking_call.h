#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"

namespace tiffin {

inline grpc::ByteBuffer ToBuffer(std::string_view text) {
  const grpc::Slice slice(text.data(), text.size());
  return {&slice, 1};
}

inline std::string ToText(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string text;
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

inline std::shared_ptr<grpc::Channel> TestChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// A client's end of one RPC of any kind: each operation blocks until it is done.
class BlockingCall {
 public:
  struct Options {
    absl::Duration timeout = absl::InfiniteDuration();
    std::vector<std::pair<std::string, std::string>> metadata;
  };

  BlockingCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method)
      : BlockingCall(channel, method, Options()) {}
  BlockingCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
               const Options& options)
      : stub_(channel) {
    if (options.timeout != absl::InfiniteDuration()) {
      context_.set_deadline(absl::ToChronoTime(absl::Now() + options.timeout));
    }
    for (const auto& [key, value] : options.metadata) context_.AddMetadata(key, value);
    stream_ = stub_.PrepareCall(&context_, method, &queue_);
    stream_->StartCall(this);
    Wait();
  }
  BlockingCall(const BlockingCall&) = delete;
  BlockingCall& operator=(const BlockingCall&) = delete;
  ~BlockingCall() {
    if (!finished_) {
      Cancel();
      Finish();
    }
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  bool Write(std::string_view text) {
    stream_->Write(ToBuffer(text), this);
    return Wait();
  }
  bool WritesDone() {
    stream_->WritesDone(this);
    return Wait();
  }
  // nullopt: the server sends no more.
  std::optional<std::string> Read() {
    grpc::ByteBuffer buffer;
    stream_->Read(&buffer, this);
    if (!Wait()) return std::nullopt;
    return ToText(buffer);
  }
  grpc::Status Finish() {
    grpc::Status status;
    stream_->Finish(&status, this);
    Wait();
    finished_ = true;
    return status;
  }
  void Cancel() { context_.TryCancel(); }

  // After Finish.
  std::string Trailing(const std::string& key) const {
    const auto& trailing = context_.GetServerTrailingMetadata();
    const auto found = trailing.find(key);
    return found == trailing.end() ? std::string()
                                   : std::string(found->second.data(), found->second.size());
  }

 private:
  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    const auto got = queue_.AsyncNext(&tag, &ok, absl::ToChronoTime(absl::Now() + kPatience));
    EXPECT_EQ(got, grpc::CompletionQueue::GOT_EVENT) << "the server did not react";
    return ok;
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  bool finished_ = false;
};

// How a unary call ended.
struct UnaryReply {
  grpc::Status status;
  std::string text;
};

inline UnaryReply CallUnary(const std::shared_ptr<grpc::Channel>& channel,
                            const std::string& method, std::string_view request) {
  BlockingCall call(channel, method);
  UnaryReply reply;
  call.Write(request);
  call.WritesDone();
  if (auto text = call.Read(); text.has_value()) reply.text = *text;
  reply.status = call.Finish();
  return reply;
}

}  // namespace tiffin
