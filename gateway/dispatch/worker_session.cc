#include "gateway/dispatch/worker_session.h"

#include <algorithm>
#include <utility>

#include "common/random_id.h"
#include "common/session/frames.h"
#include "common/shm/descriptor_socket.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kUnix = "unix:";
// What gRPC has yet to hand over of a dead worker's stream takes a moment: its end comes after it.
constexpr absl::Duration kEndingTime = absl::Milliseconds(500);
// A watchdog that itself ran this late judges nobody.
constexpr absl::Duration kLate = absl::Milliseconds(500);

}  // namespace

WorkerSession::WorkerSession(DispatchParts& parts, WorkerAddress address,
                             metrics::ReplicaMetrics& metrics, Events events)
    : parts_(parts),
      metrics_(metrics),
      address_(std::move(address)),
      events_(std::move(events)),
      id_(RandomId()),
      last_moments_(address_.is_own ? &parts.oom_kills : nullptr),
      inputs_(parts.memory, Announcer()),
      releases_(parts.loop, [this] { FlushLater(); }),
      last_sign_of_life_(parts.loop.now()),
      self_(std::make_shared<WorkerSession*>(this)),
      calls_(parts.loop, parts.memory,
             {.shares_memory = address_.shares_memory(), .session = self_}, CallEvents()),
      stream_(
          address_, parts.credentials, parts.loop,
          [this](worker::v1::Frames frames) { OnStreamFrames(std::move(frames)); },
          [this](absl::Status status) { OnStreamEnded(std::move(status)); }) {
  stream_.writer().Add([&](worker::v1::Frame& frame) {
    worker::v1::Attach& attach = *frame.mutable_attach();
    attach.set_protocol_version(session::kProtocolVersion);
    attach.set_session(id_);
    attach.set_gateway(parts_.gateway);
    attach.set_express(offers_express());
    attach.set_inline_tensors(!address_.shares_memory());
  });
  stream_.writer().Flush();
  if (address_.shares_memory()) OpenSocket(address_.target.substr(kUnix.size()));
  CheckSilence(parts_.loop.now());
}

WorkerSession::~WorkerSession() { *self_ = nullptr; }

SessionCalls::Events WorkerSession::CallEvents() {
  return {.keep_inputs_back = [this](uint64_t call) { return call_frames().DropPieces(call); },
          .cancel = [this](uint64_t call) { SendCancel(call); },
          .ended = [this] { CheckDrained(); }};
}

absl::AnyInvocable<void(const SegmentName&)> WorkerSession::Announcer() {
  if (!address_.shares_memory()) return nullptr;
  return [this](const SegmentName& segment) {
    descriptors_->Announce({.session = id_, .segment = segment.id, .size = segment.size},
                           segment.fd);
  };
}

void WorkerSession::OpenSocket(const std::string& path) {
  auto socket = shm::DescriptorSocket::Connect(StrCat(path, ".fd"));
  if (!socket.ok()) {
    parts_.loop.Defer([self = self_, status = socket.status()] {
      if (*self != nullptr) (*self)->Lose(status);
    });
    return;
  }
  session::DescriptorChannel::Events events;
  events.announced = [this](shm::DescriptorSocket::Received received) {
    OnSegment(std::move(received));
  };
  if (parts_.transport == WorkerTransport::kExpress) {
    events.frames = [this](const worker::v1::Frames& frames) { OnSocketFrames(frames); };
  }
  events.closed = [this](const absl::Status& status) {
    if (!absl::IsUnavailable(status)) {
      Lose(status);
      return;
    }
    // A worker keeps its end open as long as a call of the session executes, a dead one does not.
    End(absl::UnavailableError("it closed the session"));
    parts_.loop.Defer([self = self_] {
      if (*self == nullptr || (*self)->state_ != State::kLost) return;
      auto buried = std::move((*self)->events_.buried);  // It may destroy the session.
      buried();
    });
  };
  descriptors_ = std::make_unique<session::DescriptorChannel>(*std::move(socket), parts_.watcher,
                                                              parts_.loop, std::move(events));
  descriptors_->Announce({.session = id_}, std::nullopt);
}

absl::StatusOr<uint64_t> WorkerSession::Execute(const Call& call, Company company,
                                                RunnerLoad::Place place, CallDone done) {
  SessionCalls::Record record{.method = call.method,
                              .signature = call.signature,
                              .rows = call.rows,
                              .company = company,
                              .inputs = {},
                              .place = std::move(place),
                              .done = nullptr};
  ASSIGN_OR_RETURN(record.inputs, inputs_.Hold(call));
  const uint64_t id = next_call_++;
  scratch_.Reset();
  worker::v1::Execute& execute = *scratch_.frames().add_frames()->mutable_execute();
  execute.set_call(id);
  execute.set_alone(company == Company::kTrial);
  execute.set_time_left_us(static_cast<uint64_t>(
      std::max<int64_t>(0, absl::ToInt64Microseconds(call.deadline - parts_.loop.now()))));
  ASSIGN_OR_RETURN(std::vector<session::OutgoingTensor> in_pieces,
                   inputs_.Fill(call, record.inputs, execute));
  record.done = std::move(done);
  record.counted = metrics::Held(metrics_.calls_in_flight);
  calls_.Add(id, std::move(record));
  // Before the call, which may then use the memory that is still in the cache.
  releases_.MoveTo(call_frames());
  call_frames().Add([&](worker::v1::Frame& frame) { *frame.mutable_execute() = execute; },
                    std::move(in_pieces));
  FlushLater();
  return id;
}

void WorkerSession::ForgetSegment(uint64_t id) {
  if (!inputs_.Forget(id) || state_ != State::kReady) return;
  call_frames().Add(
      [&](worker::v1::Frame& frame) { frame.mutable_segment_gone()->set_segment(id); });
  FlushLater();
}

void WorkerSession::SendCancel(uint64_t call) {
  call_frames().Add([&](worker::v1::Frame& frame) { frame.mutable_cancel()->set_call(call); });
  FlushLater();
}

// Frames are gathered until the events that are there, and what they made ready, are handled.
void WorkerSession::FlushLater() {
  if (std::exchange(flush_scheduled_, true)) return;
  parts_.loop.DeferToLast([self = self_] {
    if (*self != nullptr) (*self)->Flush();
  });
}

void WorkerSession::Flush() {
  flush_scheduled_ = false;
  releases_.MoveTo(call_frames());
  call_frames().Flush();
}

void WorkerSession::ReleaseLater(uint64_t call, uint64_t bytes) {
  if (state_ == State::kReady) releases_.Add(call, bytes);
}

void WorkerSession::OnStreamFrames(worker::v1::Frames frames) {
  last_sign_of_life_ = parts_.loop.now();
  for (const worker::v1::Frame& frame : frames.frames()) {
    if (state_ == State::kLost) return;
    if (frame.has_hello()) {
      OnHello(frame.hello());
    } else if (frame.has_state()) {
      metrics_.queued.Set(frame.state().queued());
      last_moments_.OnState();
    } else if (express_) {
      // Its order among those on the socket would be lost.
      Lose(absl::InternalError(StrCat("the worker sent a frame of kind ", frame.kind_case(),
                                      " on the stream of a session with express lane")));
    } else {
      OnCallFrame(frame);
    }
  }
}

void WorkerSession::OnSocketFrames(const worker::v1::Frames& frames) {
  last_sign_of_life_ = parts_.loop.now();
  if (!express_) {
    Lose(absl::InternalError("the worker sent frames on its socket without the express lane"));
  }
  for (const worker::v1::Frame& frame : frames.frames()) {
    if (state_ == State::kLost) return;
    OnCallFrame(frame);
  }
}

void WorkerSession::OnCallFrame(const worker::v1::Frame& frame) {
  absl::Status taken;
  switch (frame.kind_case()) {
    case worker::v1::Frame::kResult:
      taken = calls_.OnResult(frame.result());
      break;
    case worker::v1::Frame::kPiece:
      taken = calls_.OnPiece(frame.piece());
      break;
    case worker::v1::Frame::kPiecesStopped:
      taken = calls_.OnPiecesStopped(frame.pieces_stopped().call());
      break;
    case worker::v1::Frame::kSegmentGone:
      calls_.OnSegmentGone(frame.segment_gone().segment());
      break;
    default:
      taken = absl::InternalError(StrCat("the worker sent a frame of kind ", frame.kind_case()));
  }
  if (!taken.ok()) Lose(std::move(taken));
}

void WorkerSession::OnStreamEnded(absl::Status status) {
  ReceiveAll();
  Lose(state_ == State::kEnding ? absl::UnavailableError("its process ended") : std::move(status));
}

void WorkerSession::ReceiveAll() {
  if (descriptors_ != nullptr && state_ == State::kReady) descriptors_->ReceiveAll();
}

void WorkerSession::OnHello(const worker::v1::Hello& hello) {
  if (state_ != State::kConnecting) {
    Lose(absl::InternalError("the worker sent a second Hello"));
    return;
  }
  if (hello.protocol_version() != session::kProtocolVersion) {
    Lose(absl::FailedPreconditionError(
        StrCat("the worker speaks protocol ", hello.protocol_version(), ", the gateway ",
               session::kProtocolVersion, ": run both of one version")));
    return;
  }
  auto description = WorkerDescriptionFromJson(hello.description());
  if (!description.ok()) {
    Lose(description.status());
    return;
  }
  if (hello.express() && !offers_express()) {
    Lose(absl::InternalError("the worker chose the express lane, which it was not offered"));
    return;
  }
  express_ = hello.express();
  incarnation_ = hello.incarnation();
  state_ = State::kReady;
  events_.ready(*std::move(description));
}

void WorkerSession::Drain() {
  draining_ = true;
  CheckDrained();
}

void WorkerSession::CheckDrained() {
  if (draining_ && calls_.empty()) Lose(absl::UnavailableError("its address is withdrawn"));
}

void WorkerSession::OnSegment(shm::DescriptorSocket::Received received) {
  if (state_ == State::kLost) return;
  if (received.announcement.session != id_) {
    Lose(absl::InternalError("the worker announced a segment of another session"));
    return;
  }
  auto segment =
      shm::ForeignSegment::Receive(std::move(received.descriptor), received.announcement.size);
  if (!segment.ok()) {
    Lose(segment.status());
    return;
  }
  if (received.announcement.segment == session::kExecutingPage) {
    absl::Status taken = last_moments_.TakePage(*std::move(segment));
    if (!taken.ok()) Lose(std::move(taken));
    return;
  }
  absl::Status taken = calls_.OnSegment(
      received.announcement.segment,
      std::make_shared<WorkerSegment>(*std::move(segment), parts_.names, metrics_.segment_bytes));
  if (!taken.ok()) Lose(std::move(taken));
}

void WorkerSession::CheckSilence(absl::Time scheduled) {
  const absl::Time now = parts_.loop.now();
  if (now - scheduled > kLate) {
    last_sign_of_life_ = now;  // We were asleep ourselves: everybody gets a new chance.
  } else if (now - last_sign_of_life_ >= session::kSilenceLimit) {
    Lose(absl::DeadlineExceededError("the worker has been silent for 2 s"));
    return;
  }
  const absl::Time next = now + session::kStateInterval;
  silence_timer_ = parts_.loop.At(next, [this, next] { CheckSilence(next); });
}

void WorkerSession::Lose(absl::Status status) {
  if (state_ == State::kLost) return;
  state_ = State::kLost;
  if (status.ok()) status = absl::UnavailableError("the worker ended the session");
  silence_timer_.Cancel();
  ending_timer_.Cancel();
  releases_.Close();
  stream_.Cancel();
  if (descriptors_ != nullptr) descriptors_->frames().Close();
  // The worker may still read what it was given, and write what it owns: its segments' bytes are
  // never reused, and ours stay as they are until it is proven dead. Where nothing is shared, it
  // can't.
  for (const auto& [id, record] : calls_.records()) {
    if (buried_ || !address_.shares_memory()) continue;
    for (const auto& input : record.inputs) held_until_dead_.push_back(input);
  }
  calls_.Close();
  metrics_.queued.Set(0);
  // Results that came before are delivered first.
  parts_.loop.Defer([self = self_, status = std::move(status)] {
    if (*self != nullptr) (*self)->FailCalls(status);
  });
}

void WorkerSession::FailCalls(const absl::Status& status) {
  calls_.LeaveWorker();
  // First, so that a call that is run again goes elsewhere.
  events_.lost(status);
  const std::string own_doing = last_moments_.OwnDoing();
  const auto interruptions = Interruptions(!own_doing.empty());
  // All of them before any is run again.
  for (const auto& [id, record] : calls_.records()) {
    if (interruptions.at(id) != Interruption::kSuspect) continue;
    events_.suspect({.method = *record.method, .rows = record.rows, .inputs = record.inputs},
                    {.life = StrCat(address_.target, " ", incarnation_), .cause = own_doing});
  }
  calls_.Fail(interruptions,
              StrCat("its worker is gone: ", own_doing.empty() ? std::string(Message(status))
                                                               : StrCat("it died of ", own_doing)));
}

absl::flat_hash_map<uint64_t, Interruption> WorkerSession::Interruptions(bool own_doing) const {
  absl::flat_hash_map<uint64_t, Interruption> interruptions;
  for (const auto& [id, record] : calls_.records()) {
    // The stream may lose answers with the worker.
    const bool all_came = express_ || record.signature->retry_safe;
    interruptions[id] = last_moments_.HowFar({.session = id_, .call = id},
                                             {.own_doing = own_doing,
                                              .on_trial = record.company == Company::kTrial,
                                              .answers_known = (own_doing || buried_) && all_came});
  }
  return interruptions;
}

void WorkerSession::Bury() {
  buried_ = true;
  held_until_dead_.clear();
}

void WorkerSession::End(absl::Status status) {
  Bury();
  if (state_ == State::kEnding) return;
  if (express_ || state_ != State::kReady) {
    Lose(std::move(status));
    return;
  }
  state_ = State::kEnding;
  stream_.writer().Close();  // Who writes to a dead peer may lose what it had sent.
  ending_timer_ = parts_.loop.At(parts_.loop.now() + kEndingTime,
                                 [this, status = std::move(status)] { Lose(status); });
}

void WorkerSession::ProcessDied() {
  ReceiveAll();
  End(absl::UnavailableError("its process ended"));
}

}  // namespace tiffin::gateway
