#include "gateway/dispatch/replica.h"

#include <algorithm>
#include <utility>

namespace tiffin::gateway {
namespace {

// Doubling: a path that appeared a moment ago listens a moment later.
constexpr absl::Duration kFirstReconnectDelay = absl::Milliseconds(1);
constexpr absl::Duration kLastReconnectDelay = absl::Milliseconds(50);
// A worker that lets nobody attach for about a second is replaced.
constexpr int kMaxFailedConnections = 24;

absl::Duration ReconnectDelay(int failed_connections) {
  absl::Duration delay = kFirstReconnectDelay;
  for (int i = 1; i < failed_connections && delay < kLastReconnectDelay; ++i) delay *= 2;
  return std::min(delay, kLastReconnectDelay);
}

}  // namespace

Replica::Replica(DispatchParts& parts, metrics::ReplicaMetrics& metrics, Events events)
    : parts_(parts), metrics_(metrics), events_(std::move(events)) {}

void Replica::OnListening(std::string path) {
  path_ = std::move(path);
  refused_ = false;
  failed_connections_ = 0;
  // A session of the life before whose calls are still to be failed ends first: OnLost connects.
  if (session_ == nullptr) Connect();
}

void Replica::Connect() {
  session_ = std::make_unique<WorkerSession>(
      parts_, path_, metrics_,
      WorkerSession::Events{
          .ready = [this](const WorkerDescription& description) { OnReady(description); },
          .lost = [this](const absl::Status& status) { OnLost(status); },
          .buried =
              [this] { std::erase_if(lost_, [](const auto& lost) { return !lost->holds(); }); },
          .suspect = [this](const CallContent& content,
                            const WorkerDeath& death) { events_.suspect(content, death); },
      });
}

void Replica::OnReady(const WorkerDescription& description) {
  usable_ = events_.ready(description);
  refused_ = !usable_;
  coming_back_ = false;
  failed_connections_ = 0;
  Changed();
}

void Replica::OnLost(const absl::Status& status) {
  usable_ = false;
  const bool was_of_this_life = session_->path() == path_;
  if (was_of_this_life && session_->holds()) {
    lost_.push_back(std::move(session_));  // The process may still read what its calls were given.
  } else {
    // Later: it is the session that tells.
    parts_.loop.Defer([lost = std::move(session_)]() mutable { lost.reset(); });
  }
  if (!was_of_this_life) {
    if (!path_.empty()) Connect();  // The next one listens already.
  } else if (absl::IsUnavailable(status) && ++failed_connections_ < kMaxFailedConnections) {
    Reconnect();
  } else {
    events_.hung(status);
  }
  Changed();
}

// The process lives as far as we know: a new session with it.
void Replica::Reconnect() {
  const absl::Duration delay = ReconnectDelay(failed_connections_);
  reconnect_ = parts_.loop.At(parts_.loop.now() + delay, [this] {
    if (!path_.empty() && session_ == nullptr) Connect();
  });
}

void Replica::OnExited(bool comes_back) {
  path_.clear();
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
}

}  // namespace tiffin::gateway
