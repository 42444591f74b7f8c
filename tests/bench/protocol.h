#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin::bench {

// What is sent, and what should come back. Made once; used for every call.
class Protocol {
 public:
  virtual ~Protocol() = default;
  // "/package.Service/Method"
  virtual std::string method() const = 0;
  virtual grpc::ByteBuffer Request(const std::string& payload) const = 0;
  // The bytes that the reply carries.
  virtual absl::StatusOr<std::string> Payload(const grpc::ByteBuffer& reply) const = 0;
};

// tests/bench/echo.proto.
class EchoProtocol final : public Protocol {
 public:
  std::string method() const override;
  grpc::ByteBuffer Request(const std::string& payload) const override;
  absl::StatusOr<std::string> Payload(const grpc::ByteBuffer& reply) const override;
};

// ModelInfer of KServe v2: one input tensor, whose bytes are the raw contents, and one output.
class InferProtocol final : public Protocol {
 public:
  struct Input {
    std::string model;
    std::string name;
    std::string datatype;  // "FP32"
    std::vector<int64_t> shape;
    // The one that is asked for; empty: all, and there must be just one.
    std::string output;
  };

  explicit InferProtocol(Input input) : input_(std::move(input)) {}

  std::string method() const override;
  grpc::ByteBuffer Request(const std::string& payload) const override;
  absl::StatusOr<std::string> Payload(const grpc::ByteBuffer& reply) const override;

 private:
  Input input_;
};

// Refuses a reply that does not carry `expected` or, without it, not the same as the first reply.
class ReplyChecker {
 public:
  // `protocol` outlives it.
  ReplyChecker(const Protocol& protocol, std::optional<std::string> expected)
      : protocol_(protocol), expected_(std::move(expected)) {}

  absl::Status Check(const grpc::ByteBuffer& reply);

 private:
  const Protocol& protocol_;
  std::optional<std::string> expected_;
};

}  // namespace tiffin::bench
