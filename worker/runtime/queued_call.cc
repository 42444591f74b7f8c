#include "worker/runtime/queued_call.h"

namespace tiffin::worker {

void EndCall(QueuedCall& call, const absl::Status& status) {
  call.peer->RemoveCall(call.id);
  call.peer->SendError(call.id, status);
}

}  // namespace tiffin::worker
