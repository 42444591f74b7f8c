#include "gateway/dispatch/worker_session.h"

#include <algorithm>
#include <random>
#include <utility>

#include "common/session/frames.h"
#include "common/shm/descriptor_socket.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

// A release goes by itself after this, if no frame took it along.
constexpr absl::Duration kReleaseDelay = absl::Milliseconds(5);
constexpr uint64_t kReleaseBytes = uint64_t{1} << 20;
// Of one session. An honest worker's are of 4 MiB at least, and most of 64.
constexpr size_t kMaxSegments = 1024;
// What gRPC has yet to hand over of a dead worker's stream takes a moment: its end comes after it.
constexpr absl::Duration kEndingTime = absl::Milliseconds(500);
// A watchdog that itself ran this late judges nobody.
constexpr absl::Duration kLate = absl::Milliseconds(500);

uint64_t RandomId() {
  std::random_device random;
  // Neither 0, which is no session, nor shm::kNoSession.
  return (uint64_t{random()} << 32 | random()) >> 1 | 1;
}

// The shape in a frame: no row dimension for a method that is not batchable, but [1] for the kinds
// that are a single element.
Shape FrameShape(const Value& value, const TensorSpec& spec, bool batchable) {
  if (batchable || spec.type.kind != ValueKind::kTensor) return value.shape;
  return {value.shape.begin() + 1, value.shape.end()};
}

}  // namespace

WorkerSession::WorkerSession(DispatchParts& parts, const std::string& path,
                             metrics::ReplicaMetrics& metrics, Events events)
    : parts_(parts),
      metrics_(metrics),
      path_(path),
      events_(std::move(events)),
      id_(RandomId()),
      oom_kills_(parts.oom_kills.now()),
      last_sign_of_life_(parts.loop.now()),
      self_(std::make_shared<WorkerSession*>(this)),
      stream_(
          StrCat("unix:", path), parts.loop,
          [this](worker::v1::Frames frames) { OnStreamFrames(std::move(frames)); },
          [this](absl::Status status) { OnStreamEnded(std::move(status)); }) {
  stream_.writer().Add([&](worker::v1::Frame& frame) {
    frame.mutable_attach()->set_protocol_version(session::kProtocolVersion);
    frame.mutable_attach()->set_session(id_);
    frame.mutable_attach()->set_express(parts_.transport == WorkerTransport::kExpress);
  });
  stream_.writer().Flush();
  OpenSocket(path);
  CheckSilence(parts_.loop.now());
}

WorkerSession::~WorkerSession() { *self_ = nullptr; }

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
    events.frames = [this](worker::v1::Frames& frames) { OnSocketFrames(frames); };
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
  Record record{.method = call.method,
                .signature = call.signature,
                .rows = call.rows,
                .company = company,
                .inputs = {},
                .place = std::move(place),
                .done = nullptr};
  for (const Value& input : call.inputs) {
    ASSIGN_OR_RETURN(std::shared_ptr<const Buffer> held, HoldInput(input));
    record.inputs.push_back(std::move(held));
  }
  const uint64_t id = next_call_++;
  worker::v1::Execute execute;
  execute.set_call(id);
  execute.set_method(*call.method);
  execute.set_rows(call.rows);
  execute.set_alone(company == Company::kTrial);
  execute.set_time_left_us(static_cast<uint64_t>(
      std::max<int64_t>(0, absl::ToInt64Microseconds(call.deadline - parts_.loop.now()))));
  execute.set_request_id(call.request_id);
  worker::v1::Trace& trace = *execute.mutable_trace();
  trace.set_trace_high(call.trace.trace_high);
  trace.set_trace_low(call.trace.trace_low);
  trace.set_span(call.trace.span);
  trace.set_flags(call.trace.flags);
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    const Shape shape =
        FrameShape(call.inputs[i], call.signature->inputs[i], call.signature->batchable);
    RETURN_IF_ERROR(
        FillInput(call.inputs[i].dtype, shape, *record.inputs[i], *execute.add_inputs()));
  }
  record.done = std::move(done);
  record.counted = metrics::Held(metrics_.calls_in_flight);
  calls_.emplace(id, std::move(record));
  AddReleases();  // Before the call, which may then use the memory that is still in the cache.
  calls().Add([&](worker::v1::Frame& frame) { *frame.mutable_execute() = std::move(execute); });
  FlushLater();
  return id;
}

absl::StatusOr<std::shared_ptr<const Buffer>> WorkerSession::HoldInput(const Value& value) {
  const bool in_segment = dynamic_cast<const SegmentBuffer*>(value.buffer.get()) != nullptr;
  if (in_segment || value.buffer->size() <= session::kInlineLimit) return value.buffer;
  ASSIGN_OR_RETURN(const std::span<const std::byte> bytes, value.buffer->Bytes());
  return parts_.memory.CopyToSegment(bytes);
}

absl::Status WorkerSession::FillInput(DataType dtype, const Shape& shape, const Buffer& buffer,
                                      worker::v1::Tensor& tensor) {
  const auto* in_segment = dynamic_cast<const SegmentBuffer*>(&buffer);
  if (in_segment == nullptr) {
    ASSIGN_OR_RETURN(const std::span<const std::byte> bytes, buffer.Bytes());
    session::SetInline({.dtype = dtype, .shape = shape, .bytes = bytes}, tensor);
    return absl::OkStatus();
  }
  const SegmentName segment = in_segment->segment();
  Announce(segment);
  session::SetReference({.segment = segment.id,
                         .offset = in_segment->offset(),
                         .size = in_segment->size(),
                         .dtype = dtype,
                         .shape = shape},
                        tensor);
  return absl::OkStatus();
}

void WorkerSession::Announce(const SegmentName& segment) {
  if (!announced_.insert(segment.id).second) return;
  descriptors_->Announce({.session = id_, .segment = segment.id, .size = segment.size}, segment.fd);
}

void WorkerSession::ForgetSegment(uint64_t id) {
  if (announced_.erase(id) == 0 || state_ != State::kReady) return;
  calls().Add([&](worker::v1::Frame& frame) { frame.mutable_segment_gone()->set_segment(id); });
  FlushLater();
}

void WorkerSession::Abandon(uint64_t call) {
  const auto record = calls_.find(call);
  if (record == calls_.end()) return;
  record->second.done = nullptr;
  calls().Add([&](worker::v1::Frame& frame) { frame.mutable_cancel()->set_call(call); });
  FlushLater();
}

// Frames are gathered until the event that is being handled, and what it made ready, is done.
void WorkerSession::FlushLater() {
  if (std::exchange(flush_scheduled_, true)) return;
  parts_.loop.Defer([self = self_] {
    if (*self != nullptr) (*self)->Flush();
  });
}

void WorkerSession::Flush() {
  flush_scheduled_ = false;
  AddReleases();
  calls().Flush();
}

void WorkerSession::AddReleases() {
  if (releases_.empty()) return;
  calls().Add([&](worker::v1::Frame& frame) {
    frame.mutable_release()->mutable_calls()->Assign(releases_.begin(), releases_.end());
  });
  releases_.clear();
  release_bytes_ = 0;
}

void WorkerSession::ReleaseLater(uint64_t call, uint64_t bytes) {
  if (state_ != State::kReady) return;
  // Left as it is when a frame takes the releases along: under load most do, and setting a timer
  // for each may cost a wake-up.
  if (!std::exchange(release_timer_runs_, true)) {
    release_timer_ = parts_.loop.At(parts_.loop.now() + kReleaseDelay, [this] {
      release_timer_runs_ = false;
      if (!releases_.empty()) FlushLater();
    });
  }
  releases_.push_back(call);
  release_bytes_ += bytes;
  if (release_bytes_ >= kReleaseBytes) FlushLater();
}

void WorkerSession::OnStreamFrames(worker::v1::Frames frames) {
  last_sign_of_life_ = parts_.loop.now();
  for (worker::v1::Frame& frame : *frames.mutable_frames()) {
    if (state_ == State::kLost) return;
    if (frame.has_hello()) {
      OnHello(frame.hello());
    } else if (frame.has_state()) {
      metrics_.queued.Set(frame.state().queued());
      oom_kills_ = std::max(oom_kills_, parts_.oom_kills.before());
    } else if (express_) {
      // Its order among those on the socket would be lost.
      Lose(absl::InternalError(StrCat("the worker sent a frame of kind ", frame.kind_case(),
                                      " on the stream of a session with express lane")));
    } else {
      OnCallFrame(frame);
    }
  }
}

void WorkerSession::OnSocketFrames(worker::v1::Frames& frames) {
  last_sign_of_life_ = parts_.loop.now();
  if (!express_) {
    Lose(absl::InternalError("the worker sent frames on its socket without the express lane"));
  }
  for (worker::v1::Frame& frame : *frames.mutable_frames()) {
    if (state_ == State::kLost) return;
    OnCallFrame(frame);
  }
}

void WorkerSession::OnCallFrame(worker::v1::Frame& frame) {
  switch (frame.kind_case()) {
    case worker::v1::Frame::kResult:
      OnResult(std::move(*frame.mutable_result()));
      break;
    case worker::v1::Frame::kSegmentGone:
      segments_.erase(frame.segment_gone().segment());
      break;
    default:
      Lose(absl::InternalError(StrCat("the worker sent a frame of kind ", frame.kind_case())));
  }
}

void WorkerSession::OnStreamEnded(absl::Status status) {
  ReceiveAll();
  Lose(state_ == State::kEnding ? absl::UnavailableError("its process ended") : std::move(status));
}

void WorkerSession::ReceiveAll() {
  if (express_ && state_ == State::kReady) descriptors_->ReceiveAll();
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
  express_ = hello.express();
  if (express_ && parts_.transport != WorkerTransport::kExpress) {
    Lose(absl::InternalError("the worker chose the express lane, which it was not offered"));
    return;
  }
  state_ = State::kReady;
  events_.ready(*std::move(description));
}

void WorkerSession::OnResult(worker::v1::Result result) {
  const auto record = calls_.find(result.call());
  if (record == calls_.end()) {
    Lose(absl::InternalError(
        StrCat("the worker answered call ", result.call(), ", which it was not given")));
    return;
  }
  const bool waits = std::any_of(
      result.outputs().begin(), result.outputs().end(), [this](const worker::v1::Tensor& tensor) {
        return tensor.segment() != 0 && !segments_.contains(tensor.segment());
      });
  if (waits) {
    // One for each call: a worker that answers one again and again doesn't fill our memory.
    if (std::exchange(record->second.parked, true)) {
      Lose(absl::InternalError(StrCat("the worker answered call ", result.call(), " twice")));
      return;
    }
    parked_.push_back(std::move(result));
    return;
  }
  if (deliveries_.empty()) {
    parts_.loop.Defer([self = self_] {
      if (*self != nullptr) (*self)->DeliverResults();
    });
  }
  const CallForm form{.signature = *record->second.signature, .rows = record->second.rows};
  deliveries_.push_back({result.call(), TakeResult(result, form, segments_, self_)});
}

void WorkerSession::DeliverResults() {
  std::vector<Delivery> deliveries;
  deliveries.swap(deliveries_);
  const std::shared_ptr<WorkerSession*> self = self_;  // A caller may end everything.
  for (Delivery& delivery : deliveries) {
    if (*self == nullptr) return;
    const auto record = calls_.find(delivery.call);
    if (record == calls_.end()) continue;  // Lost meanwhile, and failed.
    // The worker reads this call's inputs no more.
    CallDone done = std::move(record->second.done);
    calls_.erase(record);
    if (done != nullptr) std::move(done)(std::move(delivery.result));
  }
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
    TakePage(*std::move(segment));
    return;
  }
  // Each is a descriptor of this process.
  if (segments_.size() >= kMaxSegments) {
    Lose(absl::InternalError(StrCat("the worker announced more than ", kMaxSegments, " segments")));
    return;
  }
  segments_[received.announcement.segment] =
      std::make_shared<WorkerSegment>(*std::move(segment), parts_.names, metrics_.segment_bytes);
  std::vector<worker::v1::Result> parked;
  parked.swap(parked_);
  for (worker::v1::Result& result : parked) {
    if (state_ == State::kLost) return;
    if (const auto record = calls_.find(result.call()); record != calls_.end()) {
      record->second.parked = false;
    }
    OnResult(std::move(result));
  }
}

void WorkerSession::TakePage(shm::ForeignSegment segment) {
  if (page_segment_.has_value()) {
    Lose(absl::InternalError("the worker announced a second page of executing calls"));
    return;
  }
  page_segment_.emplace(std::move(segment));
  const auto bytes = page_segment_->Map();
  auto page = bytes.ok() ? session::ExecutingPageView::Create(*bytes) : bytes.status();
  if (page.ok()) {
    page_.emplace(*page);
  } else {
    Lose(page.status());
  }
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
  release_timer_.Cancel();
  releases_.clear();
  stream_.Cancel();
  if (descriptors_ != nullptr) descriptors_->frames().Close();
  // The worker may still read what it was given, and write what it owns: its segments' bytes are
  // never reused, and ours stay as they are until it is proven dead.
  for (auto& [id, record] : calls_) {
    if (buried_) break;
    for (const auto& input : record.inputs) held_until_dead_.push_back(input);
  }
  parked_.clear();
  segments_.clear();
  metrics_.queued.Set(0);
  // Results that came before are delivered first.
  parts_.loop.Defer([self = self_, status = std::move(status)] {
    if (*self != nullptr) (*self)->FailCalls(status);
  });
}

void WorkerSession::FailCalls(const absl::Status& status) {
  for (auto& [id, record] : calls_) record.place = RunnerLoad::Place();
  // First, so that a call that is run again goes elsewhere.
  events_.lost(status);
  const std::string own_doing = OwnDoing();
  const auto interruptions = Interruptions(!own_doing.empty());
  // All of them before any is run again.
  for (const auto& [id, record] : calls_) {
    if (interruptions.at(id) != Interruption::kSuspect) continue;
    events_.suspect({.method = *record.method, .rows = record.rows, .inputs = record.inputs},
                    {.life = path_, .cause = own_doing});
  }
  const std::string message =
      StrCat("its worker is gone: ",
             own_doing.empty() ? std::string(Message(status)) : StrCat("it died of ", own_doing));
  const std::shared_ptr<WorkerSession*> self = self_;  // A caller may end everything.
  while (*self != nullptr && !calls_.empty()) {
    const auto record = calls_.begin();
    const Interruption how = interruptions.at(record->first);
    CallDone done = std::move(record->second.done);
    calls_.erase(record);
    if (done != nullptr) std::move(done)(Interrupted(how, message));
  }
}

std::string WorkerSession::OwnDoing() const {
  const uint32_t fault = page_.has_value() ? page_->fault() : 0;
  if (fault == session::ExecutingPage::kExited) return "exit()";
  if (fault != 0) return StrCat("signal ", fault);
  return parts_.oom_kills.now() > oom_kills_ ? "lack of memory" : "";
}

absl::flat_hash_map<uint64_t, Interruption> WorkerSession::Interruptions(bool own_doing) const {
  absl::flat_hash_map<uint64_t, Interruption> interruptions;
  for (const auto& [id, record] : calls_) {
    const bool executed = !page_.has_value() || page_->Lists({.session = id_, .call = id});
    Interruption& how = interruptions[id];
    if (!executed) {
      const bool known = (own_doing || buried_) && (express_ || record.signature->retry_safe);
      how = known ? Interruption::kNeverRan : Interruption::kMayHaveRun;
    } else {
      how = own_doing && page_.has_value() ? Interruption::kSuspect : Interruption::kMayHaveRun;
    }
  }
  // Also one that another loop sent.
  if (!page_.has_value() || !page_->ListsTrial()) return interruptions;
  for (auto& [id, how] : interruptions) {
    if (how == Interruption::kSuspect && calls_.at(id).company != Company::kTrial) {
      how = Interruption::kBystander;
    }
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
