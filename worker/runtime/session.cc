#include "worker/runtime/session.h"

#include <algorithm>
#include <utility>

#include "common/async/message.h"
#include "common/session/frames.h"
#include "common/strings.h"
#include "nlohmann/json.hpp"

namespace tiffin::worker {

namespace {

std::shared_ptr<ByteBudget::Tenant> TenantOf(uint64_t gateway, WorkerParts& parts) {
  absl::erase_if(parts.gateways, [](const auto& known) { return known.second.expired(); });
  std::weak_ptr<ByteBudget::Tenant>& known = parts.gateways[gateway];
  std::shared_ptr<ByteBudget::Tenant> tenant = known.lock();
  if (tenant == nullptr) known = tenant = parts.incoming.Admit();
  return tenant;
}

}  // namespace

Session::Session(Rpc& rpc, WorkerParts& parts, absl::AnyInvocable<void(uint64_t)> on_attached,
                 absl::AnyInvocable<void()> on_ended)
    : rpc_(&rpc),
      parts_(parts),
      on_attached_(std::move(on_attached)),
      on_ended_(std::move(on_ended)) {
  rpc_->OnCancelled([this] { End(absl::CancelledError("the gateway is gone")); });
  ReadNext();
}

Session::~Session() {
  on_ended_ = [] {};  // Who destroys it knows.
  End(absl::UnavailableError("the worker is shutting down"));
}

void Session::End(absl::Status status) {
  Rpc* rpc = std::exchange(rpc_, nullptr);
  if (rpc == nullptr) return;
  parked_.clear();
  pieces_.Clear();
  incoming_.clear();
  if (peer_ != nullptr) peer_->Close();
  rpc->Finish(std::move(status), std::nullopt);
  on_ended_();
}

void Session::ReadNext() {
  rpc_->Read([this](std::optional<grpc::ByteBuffer> message) {
    if (message.has_value()) {
      OnMessage(*message);
    } else {
      End(absl::OkStatus());
    }
  });
}

void Session::OnMessage(grpc::ByteBuffer message) {
  v1::Frames frames;
  if (!FromByteBuffer(message, frames)) {
    End(absl::InvalidArgumentError("a message that is not tiffin.worker.v1.Frames"));
    return;
  }
  for (const v1::Frame& frame : frames.frames()) {
    if (rpc_ == nullptr) return;
    if (peer_ == nullptr && !frame.has_attach()) {
      End(absl::FailedPreconditionError("the first frame must be Attach"));
      return;
    }
    if (frame.has_attach()) {
      OnAttach(frame.attach());
    } else if (express_) {
      // Their order would be lost.
      End(absl::InvalidArgumentError(StrCat("frame kind ", frame.kind_case(),
                                            " on the stream of a session with express lane")));
    } else {
      OnCallFrame(frame);
    }
  }
  if (rpc_ != nullptr) ReadNext();
}

void Session::OnCallFrame(const v1::Frame& frame) {
  switch (frame.kind_case()) {
    case v1::Frame::kExecute:
      OnExecute(frame.execute());
      break;
    case v1::Frame::kCancel:
      OnCancel(frame.cancel().call());
      break;
    case v1::Frame::kRelease:
      for (const uint64_t call : frame.release().calls()) peer_->Release(call);
      break;
    case v1::Frame::kPiece:
      OnPiece(frame.piece());
      break;
    case v1::Frame::kSegmentGone:
      segments_.erase(frame.segment_gone().segment());
      break;
    default:
      End(absl::InvalidArgumentError(
          StrCat("frame kind ", frame.kind_case(), " is not for workers")));
  }
}

void Session::OnAttach(const v1::Attach& attach) {
  if (peer_ != nullptr) {
    End(absl::FailedPreconditionError("a second Attach in one session"));
    return;
  }
  if (attach.protocol_version() != session::kProtocolVersion) {
    End(absl::FailedPreconditionError(
        StrCat("this worker speaks protocol ", session::kProtocolVersion, " and the gateway ",
               attach.protocol_version(), ": run a gateway and workers of one version")));
    return;
  }
  inline_ = attach.inline_tensors();
  if (inline_ && attach.express()) {
    End(absl::InvalidArgumentError("an express lane for tensors that travel in frames"));
    return;
  }
  if (!inline_ && !parts_.shares_memory) {
    End(absl::FailedPreconditionError(
        "this worker listens on TCP, where no memory is shared: tensors travel in frames"));
    return;
  }
  id_ = attach.session();
  express_ = attach.express();
  gateway_ = attach.gateway() == 0 ? id_ : attach.gateway();
  // The peer may outlive the RPC, but its writer is closed before the RPC is finished, and calls
  // back only until then.
  peer_ = std::make_shared<Peer>(
      id_, parts_.limits, parts_.loop.clock(),
      [this, rpc = rpc_](const v1::Frames& message) {
        rpc->Write(ToByteBuffer(message), [this](bool ok) { peer_->stream().OnWritten(ok); });
        return session::FrameWriter::Progress::kStarted;
      },
      inline_ ? Peer::Tensors::kInline : Peer::Tensors::kShared);
  if (inline_) SendHello();
  on_attached_(id_);
}

void Session::SendHello() {
  said_hello_ = true;
  peer_->stream().Add([&](v1::Frame& frame) {
    v1::Hello& hello = *frame.mutable_hello();
    hello.set_protocol_version(session::kProtocolVersion);
    hello.set_incarnation(parts_.incarnation);
    hello.set_description(nlohmann::json(parts_.description).dump());
    hello.set_express(express_);
  });
  peer_->stream().Flush();
}

void Session::OnExecute(const v1::Execute& execute) {
  const absl::Time now = parts_.loop.now();
  const absl::Time deadline = now + absl::Microseconds(static_cast<int64_t>(std::min<uint64_t>(
                                        execute.time_left_us(), uint64_t{1} << 52)));
  const bool has_segments =
      std::any_of(execute.inputs().begin(), execute.inputs().end(),
                  [](const v1::Tensor& tensor) { return tensor.segment() != 0; });
  const bool has_pieces = std::any_of(execute.inputs().begin(), execute.inputs().end(),
                                      [](const v1::Tensor& tensor) { return tensor.in_pieces(); });
  if (inline_ ? has_segments : has_pieces) {
    End(absl::InvalidArgumentError(inline_ ? "a segment is named where none is shared"
                                           : "a tensor in pieces where segments are shared"));
  } else if (has_pieces) {
    AwaitPieces(execute, deadline);
  } else {
    Admit(execute, now, deadline);
  }
}

void Session::AwaitPieces(const v1::Execute& execute, absl::Time deadline) {
  const uint64_t id = execute.call();
  if (tenant_ == nullptr) tenant_ = TenantOf(gateway_, parts_);
  std::vector<session::IncomingPieces::Place> places = session::PromisedPlaces(execute.inputs());
  auto call = Make(execute);
  for (size_t i = 0; call.ok() && i < places.size(); ++i) places[i].to = (*call)->promised[i];
  if (const absl::Status expected = pieces_.Expect(id, std::move(places)); !expected.ok()) {
    End(expected);
    return;
  }
  if (!call.ok()) {
    Refuse(execute, call.status());  // Its pieces come all the same, until the gateway hears.
    return;
  }
  (*call)->deadline = deadline;
  if (!peer_->AddCall(id, *call)) {
    End(absl::InvalidArgumentError(StrCat("call id ", id, " is in use")));
    return;
  }
  Incoming& incoming = incoming_[id];
  incoming.call = *std::move(call);
  incoming.timer = parts_.loop.At(deadline, [this, id] {
    const std::shared_ptr<QueuedCall> late = std::move(incoming_.at(id).call);
    pieces_.Discard(id);
    incoming_.erase(id);
    if (late->Take(QueuedCall::State::kDropped)) {
      EndCall(*late, absl::DeadlineExceededError("the deadline passed before its inputs arrived"));
    }
  });
}

void Session::OnPiece(const v1::Piece& piece) {
  const absl::StatusOr<bool> complete = pieces_.Add(piece);
  if (!complete.ok()) {
    End(complete.status());
    return;
  }
  const auto incoming = *complete ? incoming_.find(piece.call()) : incoming_.end();
  if (incoming == incoming_.end()) return;
  const std::shared_ptr<QueuedCall> call = std::move(incoming->second.call);
  incoming_.erase(incoming);
  call->received = parts_.loop.now();
  Submit(call);
}

void Session::Admit(const v1::Execute& execute, absl::Time received, absl::Time deadline) {
  const auto is_missing = [this](const v1::Tensor& tensor) {
    return tensor.segment() != 0 && !segments_.contains(tensor.segment());
  };
  if (std::any_of(execute.inputs().begin(), execute.inputs().end(), is_missing)) {
    Parked& parked = parked_.emplace_back();
    parked.execute = execute;
    parked.received = received;
    parked.deadline = deadline;
    parked.timer = parts_.loop.At(deadline, [this, call = execute.call()] {
      EndParked(call, absl::DeadlineExceededError("the deadline passed before a segment arrived"));
    });
    return;
  }
  auto call = Make(execute);
  if (!call.ok()) {
    Refuse(execute, call.status());
    return;
  }
  (*call)->received = received;
  (*call)->deadline = deadline;
  if (!peer_->AddCall(execute.call(), *call)) {
    End(absl::InvalidArgumentError(StrCat("call id ", execute.call(), " is in use")));
    return;
  }
  Submit(*std::move(call));
}

void Session::Submit(std::shared_ptr<QueuedCall> call) {
  if (express_) {  // Read by the watcher's thread, which may have left it to the loop's.
    parts_.executor.SubmitHere(std::move(call), parts_.loop);
  } else {
    parts_.executor.Submit(std::move(call));
  }
}

absl::StatusOr<std::shared_ptr<QueuedCall>> Session::Make(const v1::Execute& execute) {
  return MakeCall(execute, {.peer = peer_,
                            .gateway = gateway_,
                            .signature = parts_.signature,
                            .segments = segments_,
                            .incoming = parts_.incoming,
                            .tenant = tenant_});
}

void Session::Refuse(const v1::Execute& execute, const absl::Status& status) {
  LogFailure(OriginOf(execute), execute.method(), status);
  peer_->SendError(execute.call(), status);
}

bool Session::EndParked(uint64_t id, const absl::Status& status) {
  const auto parked = std::find_if(parked_.begin(), parked_.end(),
                                   [&](const Parked& other) { return other.execute.call() == id; });
  if (parked == parked_.end()) return false;
  Refuse(parked->execute, status);
  parked_.erase(parked);
  return true;
}

void Session::OnCancel(uint64_t id) {
  pieces_.Forget(id);
  incoming_.erase(id);  // The peer has the call, too.
  if (EndParked(id, absl::CancelledError("cancelled while queued"))) return;
  if (const std::shared_ptr<QueuedCall> call = peer_->FindCall(id); call != nullptr) {
    // One that executes ends with its own result, sooner if the backend asks.
    call->cancelled = true;
    if (call->Take(QueuedCall::State::kDropped)) {
      EndCall(*call, absl::CancelledError("cancelled while queued"));
    }
  }
  peer_->StopOutputs(id);
}

void Session::SetDescriptors(shm::DescriptorSocket socket) {
  if (inline_) {
    End(absl::FailedPreconditionError("a descriptor socket where nothing is shared"));
    return;
  }
  if (std::exchange(has_socket_, true)) {
    // The first one may be sending.
    End(absl::FailedPreconditionError("a second descriptor socket in one session"));
    return;
  }
  session::DescriptorChannel::Events events;
  events.announced = [this](shm::DescriptorSocket::Received received) {
    OnSegment(std::move(received));
  };
  if (express_) {
    events.frames = [this](const v1::Frames& frames) {
      for (const v1::Frame& frame : frames.frames()) {
        if (rpc_ != nullptr) OnCallFrame(frame);
      }
    };
  }
  events.closed = [this](const absl::Status& status) { End(status); };
  auto channel = std::make_unique<session::DescriptorChannel>(std::move(socket), parts_.watcher,
                                                              parts_.loop, std::move(events));
  channel->Announce(
      {.session = id_, .segment = session::kExecutingPage, .size = parts_.page.size()},
      parts_.page.fd());
  peer_->SetDescriptors(std::move(channel), express_ ? Peer::Express::kYes : Peer::Express::kNo);
  // Behind the page: what it lists of a call must be known however soon the call ends this process.
  SendHello();
}

void Session::OnSegment(shm::DescriptorSocket::Received received) {
  if (rpc_ == nullptr) return;
  if (received.announcement.session != id_) {
    End(absl::InvalidArgumentError("a segment of another session was announced"));
    return;
  }
  auto segment =
      shm::ForeignSegment::Receive(std::move(received.descriptor), received.announcement.size);
  if (!segment.ok()) {
    End(segment.status());
    return;
  }
  segments_[received.announcement.segment] = std::make_shared<InputSegment>(*std::move(segment));
  std::list<Parked> parked;
  parked.swap(parked_);
  for (Parked& call : parked) {
    if (rpc_ != nullptr) Admit(call.execute, call.received, call.deadline);
  }
}

void Session::Beat(const WorkerLoad& load) {
  if (rpc_ == nullptr || !said_hello_) return;
  peer_->DropIdleSegments();
  peer_->stream().Add([&](v1::Frame& frame) {
    v1::State& state = *frame.mutable_state();
    state.set_queued(static_cast<uint32_t>(load.queued));
    state.set_executing(static_cast<uint32_t>(load.executing));
  });
  peer_->stream().Flush();
}

}  // namespace tiffin::worker
