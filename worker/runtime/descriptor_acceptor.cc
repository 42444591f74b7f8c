#include "worker/runtime/descriptor_acceptor.h"

#include <utility>

#include "absl/time/time.h"
#include "common/log/log.h"
#include "common/strings.h"

namespace tiffin::worker {
namespace {

// Until there may be a descriptor again: who waits keeps the listener ready.
constexpr absl::Duration kPause = absl::Milliseconds(100);

}  // namespace

DescriptorAcceptor::DescriptorAcceptor(shm::DescriptorListener listener, Loop& loop,
                                       Watcher& watcher, Accepted accepted)
    : loop_(loop),
      watcher_(watcher),
      listener_(std::move(listener)),
      accepted_(std::move(accepted)) {
  Watch();
}

DescriptorAcceptor::~DescriptorAcceptor() { *alive_ = false; }

Loop::Task DescriptorAcceptor::WhileAlive(Loop::Task task) const {
  return [alive = alive_, task = std::move(task)]() mutable {
    if (*alive) std::move(task)();
  };
}

void DescriptorAcceptor::Watch() {
  watch_ =
      watcher_.Add(listener_.fd(), Watcher::Interest::kReadable, [this] { return AcceptAll(); });
}

bool DescriptorAcceptor::AcceptAll() {
  while (true) {
    auto socket = listener_.Accept();
    if (!socket.ok()) {
      loop_.Post(WhileAlive([this, why = socket.status()] { Pause(why); }));
      return false;
    }
    if (!socket->has_value()) return true;
    loop_.Post(WhileAlive([this, accepted = *std::move(*socket)]() mutable {
      short_of_descriptors_ = false;
      accepted_(std::move(accepted));
    }));
  }
}

void DescriptorAcceptor::Pause(const absl::Status& why) {
  watch_.reset();
  if (!std::exchange(short_of_descriptors_, true)) {
    log::Write(log::Level::kWarning, "connection_waits",
               StrCat("a gateway's connection waits: ", Message(why)), {{"error", Message(why)}});
  }
  resume_ = loop_.At(loop_.now() + kPause, [this] { Watch(); });
}

}  // namespace tiffin::worker
