#include "worker/runtime/worker_server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "common/async/message.h"
#include "common/log/log.h"
#include "common/session/frames.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "grpc/health/v1/health.pb.h"

namespace tiffin::worker {
namespace {

// Sockets without a session: a gateway opens both within milliseconds, for each of its loops, of
// which it has 64 at most; so more are strays.
constexpr size_t kMaxUnclaimed = 256;

}  // namespace

absl::Status WorkerServer::Listen(std::string descriptor_path) {
  if (descriptor_path.empty()) {
    Beat();
    return absl::OkStatus();
  }
  // What a worker before it left there, that was killed: the lock on gRPC's socket says that none
  // lives.
  struct stat left {};
  if (lstat(descriptor_path.c_str(), &left) == 0 && S_ISSOCK(left.st_mode)) {
    unlink(descriptor_path.c_str());
  }
  ASSIGN_OR_RETURN(shm::DescriptorListener listener,
                   shm::DescriptorListener::Create(std::move(descriptor_path)));
  acceptor_ = std::make_unique<DescriptorAcceptor>(
      std::move(listener), parts_.loop, parts_.watcher,
      [this](shm::DescriptorSocket socket) { OnSocket(std::move(socket)); });
  Beat();
  return absl::OkStatus();
}

void WorkerServer::OnSocket(shm::DescriptorSocket socket) {
  if (greeting_.size() >= kMaxUnclaimed) greeting_.erase(greeting_.begin());
  const uint64_t key = next_socket_++;
  Greeting& entry = greeting_[key];
  entry.socket = std::make_shared<shm::DescriptorSocket>(std::move(socket));
  entry.watch = parts_.watcher.Add(
      entry.socket->fd(), Watcher::Interest::kReadable, [this, key, socket = entry.socket.get()] {
        const auto received = socket->Receive();
        if (received.ok() && !received->has_value()) return true;
        std::optional<shm::Announcement> greeting;
        if (received.ok()) greeting = (*received)->announcement;
        parts_.loop.Post(
            [this, key, greeting] { OnGreeting(key, greeting.value_or(shm::Announcement{})); });
        return false;
      });
}

void WorkerServer::OnGreeting(uint64_t socket_key, const shm::Announcement& greeting) {
  const auto entry = greeting_.find(socket_key);
  if (entry == greeting_.end()) return;
  entry->second.watch.reset();
  shm::DescriptorSocket socket = std::move(*entry->second.socket);
  greeting_.erase(entry);
  if (greeting.session == 0) return;  // Closed, or nonsense.
  if (unclaimed_.size() >= kMaxUnclaimed) unclaimed_.erase(unclaimed_.begin());
  unclaimed_.emplace(greeting.session, std::move(socket));
  Match(greeting.session);
}

void WorkerServer::Match(uint64_t session_id) {
  const auto socket = unclaimed_.find(session_id);
  if (socket == unclaimed_.end()) return;
  for (const auto& session : sessions_) {
    if (session->id() != session_id) continue;
    session->SetDescriptors(std::move(socket->second));
    unclaimed_.erase(socket);
    return;
  }
}

bool WorkerServer::Start(Rpc& rpc) {
  if (rpc.method() == session::kAttachMethod) {
    // Before any frame is read.
    if (absl::Status admitted = Admit(rpc); admitted.ok()) {
      Attach(rpc);
    } else {
      Refuse(rpc, std::move(admitted));
    }
    return true;
  }
  if (rpc.method() == "/grpc.health.v1.Health/Check") {
    Check(rpc);
    return true;
  }
  return false;
}

absl::Status WorkerServer::Admit(const Rpc& rpc) const {
  if (parts_.tokens == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto caller,
                   parts_.tokens->Authenticate(rpc.metadata_values("authorization")));
  if (caller->May(parts_.service)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      StrCat("the token '", caller->name, "' is not for the service ", parts_.service));
}

void WorkerServer::Refuse(Rpc& rpc, absl::Status why) {
  if (const std::optional<int64_t> count = refused_.Count(); count.has_value()) {
    const std::string peer = rpc.peer();
    log::Write(log::Level::kWarning, "attach_refused",
               StrCat("refused the gateway at ", peer, ": ", Message(why), "; ", *count,
                      *count == 1 ? " attempt" : " attempts", " refused so far"),
               {{"peer", peer}, {"error", Message(why)}, {"refused", *count}});
  }
  rpc.Finish(std::move(why), std::nullopt);
}

void WorkerServer::Attach(Rpc& rpc) {
  sessions_.push_back(std::make_unique<Session>(
      rpc, parts_, [this](uint64_t id) { Match(id); },
      [this] {
        // Not from inside the session's own function.
        parts_.loop.Defer(
            [this] { sessions_.remove_if([](const auto& session) { return session->ended(); }); });
      }));
}

void WorkerServer::Check(Rpc& rpc) {
  rpc.Read([&rpc](std::optional<grpc::ByteBuffer> message) {
    grpc::health::v1::HealthCheckRequest request;
    if (!message.has_value() || !FromByteBuffer(*message, request)) {
      rpc.Finish(absl::InvalidArgumentError("not a grpc.health.v1.HealthCheckRequest"),
                 std::nullopt);
      return;
    }
    if (!request.service().empty() && request.service() != "liveness") {
      rpc.Finish(absl::NotFoundError(
                     StrCat("a worker knows '' and 'liveness', not '", request.service(), "'")),
                 std::nullopt);
      return;
    }
    // The model is loaded before the port is opened, so who can ask finds it ready.
    grpc::health::v1::HealthCheckResponse response;
    response.set_status(grpc::health::v1::HealthCheckResponse::SERVING);
    rpc.Finish(absl::OkStatus(), ToByteBuffer(response));
  });
}

void WorkerServer::Beat() {
  for (const auto& session : sessions_) {
    session->Beat({.queued = parts_.executor.queued(),
                   .executing = static_cast<size_t>(parts_.executor.executing())});
  }
  beat_ = parts_.loop.At(parts_.loop.now() + session::kStateInterval, [this] { Beat(); });
}

void WorkerServer::Close() {
  beat_.Cancel();
  acceptor_.reset();
  greeting_.clear();
  unclaimed_.clear();
  sessions_.clear();
}

}  // namespace tiffin::worker
