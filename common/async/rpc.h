#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/async/caller.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin {

// One RPC that a server was sent, as the protocols see it: raw messages, whatever the method. Owned
// by the server; lives until its Finish has been carried out. All of it happens on the loop's
// thread (Write excepted), and every callback comes from the loop, never from inside the call that
// asked for it.
class Rpc {
 public:
  virtual ~Rpc() = default;

  // "/package.Service/Method"
  virtual std::string_view method() const = 0;
  // Who sent it, as gRPC writes addresses: "ipv4:10.0.0.1:4321", "unix:". Empty: it isn't known.
  virtual std::string peer() const { return ""; }
  // The first value of a metadata key (lower case).
  virtual std::optional<std::string_view> metadata(std::string_view key) const = 0;
  // All of them, in order.
  virtual std::vector<std::string_view> metadata_values(std::string_view key) const = 0;
  // By Clock::Monotonic(); InfiniteFuture if the client gave none.
  virtual absl::Time deadline() const = 0;

  // Sent with Finish (or, for a failed RPC, as its only metadata).
  virtual void AddTrailingMetadata(std::string key, std::string value) = 0;
  // One at a time. nullopt: the client has no more messages, or is gone.
  virtual void Read(absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> done) = 0;
  // One at a time, from any thread. false: the client is gone. Not of a unary method.
  virtual void Write(grpc::ByteBuffer message, absl::AnyInvocable<void(bool ok)> done) = 0;
  // Once, and the last thing: callbacks still pending are dropped. `message` only with an OK
  // status, and always with that of a unary method. After it the Rpc must not be touched.
  virtual void Finish(absl::Status status, std::optional<grpc::ByteBuffer> message) = 0;

  // Called once when the client cancelled, its deadline passed, or the connection broke, if that
  // happens before Finish. Finish must still be called.
  virtual void OnCancelled(absl::AnyInvocable<void()> callback) = 0;

  // Who sent it, once that was found out; null where nobody asks.
  const Caller* caller() const { return caller_.get(); }
  void SetCaller(std::shared_ptr<const Caller> caller) { caller_ = std::move(caller); }

 private:
  // Shared with the list that it is from, which may be replaced meanwhile.
  std::shared_ptr<const Caller> caller_;
};

// A protocol that a server speaks.
class RpcService {
 public:
  virtual ~RpcService() = default;
  // Those of its methods, as of Rpc::method, that take one message and answer one: a server which
  // knows them serves them faster. Asked for once.
  virtual std::vector<std::string> UnaryMethods() const { return {}; }
  // Takes the RPC if its method is one of this protocol's; returns false (and leaves it untouched)
  // if not. A taken one is finished by the service, sooner or later.
  virtual bool Start(Rpc& rpc) = 0;
};

}  // namespace tiffin
