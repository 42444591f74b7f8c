#include "gateway/dispatch/replica.h"

#include <utility>

namespace tiffin::gateway {
namespace {

constexpr absl::Duration kReconnectDelay = absl::Milliseconds(50);

}  // namespace

Replica::Replica(DispatchParts& parts, Events events) : parts_(parts), events_(std::move(events)) {}

void Replica::OnListening(std::string path) {
  path_ = std::move(path);
  Connect();
}

void Replica::Connect() {
  session_ = std::make_unique<WorkerSession>(
      parts_, path_,
      WorkerSession::Events{
          .ready = [this](const WorkerDescription& description) { OnReady(description); },
          .lost = [this](const absl::Status& status) { OnLost(status); },
          .dead = [this] { BuryAll(); },
      });
}

void Replica::OnReady(const WorkerDescription& description) {
  usable_ = events_.ready(description);
  coming_back_ = false;
  events_.changed();
}

void Replica::OnLost(const absl::Status& status) {
  usable_ = false;
  // Kept: its process may still read what the session's calls were given.
  lost_.push_back(std::move(session_));
  if (path_.empty()) {
    BuryAll();
  } else if (absl::IsUnavailable(status)) {
    // The process lives as far as we know: a new session with it. A path that appeared a moment ago
    // may also not listen yet.
    reconnect_ = parts_.loop.At(parts_.loop.now() + kReconnectDelay, [this] {
      if (!path_.empty() && session_ == nullptr) Connect();
    });
  } else {
    events_.hung(status);
  }
  events_.changed();
}

void Replica::BuryAll() {
  for (const auto& session : lost_) session->Bury();
  // Destroyed later: one of them may be what told us.
  parts_.loop.Defer([lost = std::move(lost_)]() mutable { lost.clear(); });
  lost_.clear();
}

void Replica::OnExited(bool comes_back) {
  path_.clear();
  reconnect_.Cancel();
  coming_back_ = comes_back;
  usable_ = false;
  if (session_ != nullptr) session_->ProcessDied();
  BuryAll();
  events_.changed();
}

void Replica::ForgetSegment(uint64_t id) {
  if (session_ != nullptr) session_->ForgetSegment(id);
}

}  // namespace tiffin::gateway
