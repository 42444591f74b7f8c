#include "gateway/dispatch/replica.h"

#include <algorithm>
#include <utility>

#include "common/strings.h"

namespace tiffin::gateway {
namespace {

// Doubling: a path that appeared a moment ago listens a moment later.
constexpr absl::Duration kFirstReconnectDelay = absl::Milliseconds(1);
constexpr absl::Duration kLastReconnectDelay = absl::Milliseconds(50);
// A worker that lets nobody attach for about a second is replaced.
constexpr int kMaxFailedConnections = 24;

// At an address: from the half to the whole, so that gateways don't come all at once.
constexpr absl::Duration kAddressDelay = absl::Milliseconds(100);
// Where nobody has answered for some seconds, or one doesn't want us: doubling from there.
constexpr int kPatientConnections = 30;
constexpr absl::Duration kLongestAddressDelay = absl::Seconds(1);
// How long calls wait for a worker that had served, and that nobody here starts again, or for one
// at a new address.
constexpr absl::Duration kHope = absl::Seconds(5);

absl::Duration ReconnectDelay(int failed_connections) {
  absl::Duration delay = kFirstReconnectDelay;
  for (int i = 1; i < failed_connections && delay < kLastReconnectDelay; ++i) delay *= 2;
  return std::min(delay, kLastReconnectDelay);
}

}  // namespace

Replica::Replica(DispatchParts& parts, metrics::ReplicaMetrics& metrics, Events events)
    : parts_(parts),
      metrics_(metrics),
      events_(std::move(events)),
      jitter_(std::random_device()()) {}

bool Replica::coming_back() const {
  if (ready()) return false;
  if (!is_own_) return listens() && parts_.loop.now() < hoped_until_;
  return coming_back_ || (listens() && !refused_);
}

void Replica::OnListening(const std::string& path) {
  path_ = path;
  address_ = {.target = StrCat("unix:", path), .server_name = "", .is_own = true};
  refused_ = false;
  failed_connections_ = 0;
  // A session of the life before whose calls are still to be failed ends first: OnLost connects.
  if (session_ == nullptr) Connect();
}

void Replica::OnAddress(WorkerAddress address) {
  is_own_ = false;
  OnWithdrawn();  // From where it was before.
  address_ = std::move(address);
  failed_connections_ = 0;
  Hope();  // It may take the place of one that is gone.
  Connect();
}

void Replica::Hope() {
  hoped_until_ = parts_.loop.now() + kHope;
  hope_ends_ = parts_.loop.At(hoped_until_, [this] { Changed(); });
}

void Replica::OnWithdrawn() {
  address_ = {};
  reconnect_.Cancel();
  hope_ends_.Cancel();
  hoped_until_ = absl::InfinitePast();
  last_incarnation_ = 0;
  usable_ = false;
  if (session_ != nullptr) {
    WorkerSession& session = *session_;
    draining_.push_back({.life = life_, .session = std::move(session_)});
    if (session.ready()) {
      session.Drain();
    } else {
      session.Close(absl::UnavailableError("its address is withdrawn"));
    }
  }
  Changed();
}

void Replica::Refuse(const absl::Status& status) {
  usable_ = false;
  if (session_ != nullptr) session_->Close(status);
  Changed();
}

void Replica::Connect() {
  const uint64_t life = ++life_;
  session_ = std::make_unique<WorkerSession>(
      parts_, address_, metrics_,
      WorkerSession::Events{
          .ready = [this](const WorkerDescription& description) { OnReady(description); },
          .lost = [this, life](const absl::Status& status) { OnLost(life, status); },
          .buried =
              [this] { std::erase_if(lost_, [](const auto& lost) { return !lost->holds(); }); },
          .suspect = [this](const CallContent& content,
                            const WorkerDeath& death) { events_.suspect(content, death); },
      });
}

void Replica::OnReady(const WorkerDescription& description) {
  const absl::Status fits = events_.ready(description);
  usable_ = fits.ok();
  refused_ = !usable_;
  coming_back_ = false;
  if (is_own_ || usable_) failed_connections_ = 0;
  if (!is_own_) {
    if (!usable_) {
      session_->Close(fits);
    } else if (session_->incarnation() !=
                   std::exchange(last_incarnation_, session_->incarnation()) &&
               parts_.tells_of_endpoints) {
      metrics_.starts.Add();
    }
  }
  Changed();
}

void Replica::Bury(std::unique_ptr<WorkerSession> session) {
  if (session->holds()) {
    lost_.push_back(std::move(session));  // The process may still read what its calls were given.
  } else {
    // Later: it is the session that tells.
    parts_.loop.Defer([lost = std::move(session)]() mutable { lost.reset(); });
  }
}

void Replica::OnLost(uint64_t life, const absl::Status& status) {
  if (life != life_ || session_ == nullptr) {
    const auto drained = std::find_if(draining_.begin(), draining_.end(),
                                      [&](const Draining& other) { return other.life == life; });
    if (drained == draining_.end()) return;
    std::unique_ptr<WorkerSession> session = std::move(drained->session);
    draining_.erase(drained);
    Bury(std::move(session));
    return;
  }
  if (!is_own_) {
    OnAddressLost(status);
    return;
  }
  usable_ = false;
  const bool was_of_this_life = session_->address() == address_;
  if (was_of_this_life) {
    Bury(std::move(session_));
  } else {
    parts_.loop.Defer([lost = std::move(session_)]() mutable { lost.reset(); });
  }
  if (!was_of_this_life) {
    if (listens()) Connect();  // The next one listens already.
  } else if (absl::IsUnavailable(status) && ++failed_connections_ < kMaxFailedConnections) {
    Reconnect(ReconnectDelay(failed_connections_));
  } else {
    events_.hung(status);
  }
  Changed();
}

void Replica::OnAddressLost(const absl::Status& status) {
  const bool had_served = std::exchange(usable_, false);
  if (had_served) Hope();
  Bury(std::move(session_));
  ++failed_connections_;
  Reconnect(AddressDelay(status));
  events_.unreachable(status, had_served);
  Changed();
}

absl::Duration Replica::AddressDelay(const absl::Status& status) {
  absl::Duration delay = kAddressDelay;
  const bool is_away = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  if (!is_away) {
    delay = kLongestAddressDelay;  // It answered, and would answer the same.
  } else {
    for (int i = kPatientConnections; i < failed_connections_ && delay < kLongestAddressDelay;
         ++i) {
      delay *= 2;
    }
  }
  delay = std::min(delay, kLongestAddressDelay);
  return delay * std::uniform_real_distribution<double>(0.5, 1.0)(jitter_);
}

// The worker lives, or will again, as far as we know: a new session with it.
void Replica::Reconnect(absl::Duration delay) {
  reconnect_ = parts_.loop.At(parts_.loop.now() + delay, [this] {
    if (listens() && session_ == nullptr) Connect();
  });
}

void Replica::OnExited(bool comes_back) {
  path_.clear();
  address_ = {};
  reconnect_.Cancel();
  coming_back_ = comes_back;
  usable_ = false;
  if (session_ != nullptr) session_->ProcessDied();
  lost_.clear();
  Changed();
}

void Replica::Changed() {
  counted_ready_ = ready() ? metrics::Held(metrics_.ready_sessions) : metrics::Held();
  events_.changed();
}

int64_t Replica::lost_calls() const {
  // Of a lost session's calls those that waited never execute, and nobody says how many do: as long
  // as the worker reads for one of them, there is one at least.
  return std::count_if(lost_.begin(), lost_.end(), [](const auto& lost) { return lost->holds(); });
}

void Replica::ForgetSegment(uint64_t id) {
  if (session_ != nullptr) session_->ForgetSegment(id);
  for (const Draining& draining : draining_) draining.session->ForgetSegment(id);
}

}  // namespace tiffin::gateway
