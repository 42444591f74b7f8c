#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "common/async/loop.h"
#include "common/async/rpc.h"
#include "common/async/watcher.h"
#include "common/byte_budget.h"
#include "common/security/tokens.h"
#include "common/session/executing_page.h"
#include "common/session/incoming_pieces.h"
#include "common/shm/segment.h"
#include "common/signature.h"
#include "worker/runtime/executor.h"
#include "worker/runtime/make_call.h"
#include "worker/runtime/peer.h"

namespace tiffin::worker {

// What every session of a worker shares. All outlive the sessions.
struct WorkerParts {
  Loop& loop;
  Watcher& watcher;
  Executor& executor;
  session::ExecutingPage& page;  // What `executor` lists its calls on.
  const Signature& signature;
  const WorkerDescription& description;
  uint64_t incarnation = 0;
  shm::PoolLimits limits;
  // What inputs that come in pieces may have together.
  ByteBudget incoming{uint64_t{1} << 30};
  // Who competes for that: gateways that have sent such, as long as they have a session, or calls
  // that are left of one.
  absl::flat_hash_map<uint64_t, std::weak_ptr<ByteBudget::Tenant>> gateways = {};
  // False: it listens where no memory can be shared.
  bool shares_memory = true;
  // One of which gateways must send to attach, and for this service. Null: they need none.
  const security::Tokens* tokens = nullptr;
  std::string service = {};
};

struct WorkerLoad {
  size_t queued = 0;
  size_t executing = 0;
};

// One gateway loop's stream with this worker, from Attach to its end: reads frames, queues calls,
// keeps the segments it was handed. Owned by WorkerServer; on the loop's thread. Destruction
// retires the session's segments; calls that execute keep what they need until they end.
class Session {
 public:
  // Takes `rpc`, whose method is Attach. `on_attached` is told the session's id when the first
  // frame came; `on_ended` that it is over, whereupon the owner destroys it (later, not inside).
  Session(Rpc& rpc, WorkerParts& parts, absl::AnyInvocable<void(uint64_t)> on_attached,
          absl::AnyInvocable<void()> on_ended);
  ~Session();

  uint64_t id() const { return id_; }
  bool ended() const { return rpc_ == nullptr; }
  // The gateway's descriptor socket came in and greeted with this session's id.
  void SetDescriptors(shm::DescriptorSocket socket);
  // A sign of life, and housekeeping; called by the owner every kStateInterval.
  void Beat(const WorkerLoad& load);

 private:
  struct Parked {
    v1::Execute execute;
    absl::Time deadline;
    absl::Time received;
    Loop::Timer timer;
  };

  // A call whose inputs are coming.
  struct Incoming {
    std::shared_ptr<QueuedCall> call;  // Shared with the peer.
    Loop::Timer timer;
  };

  void ReadNext();
  void OnMessage(grpc::ByteBuffer message);
  // Those that name calls or segments, on the carrier that they travel on.
  void OnCallFrame(const v1::Frame& frame);
  void OnAttach(const v1::Attach& attach);
  // The first frame, when the session has all that it needs.
  void SendHello();
  void OnExecute(const v1::Execute& execute);
  void OnCancel(uint64_t call);
  // Queues the call, or parks it while a segment that it names is still on its way.
  void Admit(const v1::Execute& execute, absl::Time received, absl::Time deadline);
  // Makes place for inputs that come in pieces.
  void AwaitPieces(const v1::Execute& execute, absl::Time deadline);
  void OnPiece(const v1::Piece& piece);
  void Submit(std::shared_ptr<QueuedCall> call);
  // Ends a call that has not been queued.
  void Refuse(const v1::Execute& execute, const absl::Status& status);
  // False if no such call is parked.
  bool EndParked(uint64_t call, const absl::Status& status);
  absl::StatusOr<std::shared_ptr<QueuedCall>> Make(const v1::Execute& execute);
  void OnSegment(shm::DescriptorSocket::Received received);
  void End(absl::Status status);

  Rpc* rpc_;  // Null after the end.
  WorkerParts& parts_;
  absl::AnyInvocable<void(uint64_t)> on_attached_;
  absl::AnyInvocable<void()> on_ended_;
  uint64_t id_ = 0;
  uint64_t gateway_ = 0;
  bool has_socket_ = false;
  bool said_hello_ = false;
  bool express_ = false;        // Call frames travel on the socket.
  bool inline_ = false;         // Tensors travel in frames.
  std::shared_ptr<Peer> peer_;  // Shared with the calls. Null until Attach.
  // The gateway, shared with its other sessions and its calls. Null until an input comes in pieces.
  std::shared_ptr<ByteBudget::Tenant> tenant_;
  InputSegments segments_;
  std::list<Parked> parked_;
  absl::flat_hash_map<uint64_t, Incoming> incoming_;
  session::IncomingPieces pieces_;  // Of incoming_, and of calls that have ended before they came.
};

}  // namespace tiffin::worker
