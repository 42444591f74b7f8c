#include "worker/runtime/queued_call.h"

namespace tiffin::worker {

void EndCall(QueuedCall& call, const absl::Status& status) {
  call.peer->RemoveCall(call.id);
  call.peer->calls().Add([&](v1::Frame& frame) {
    v1::Result& result = *frame.mutable_result();
    result.set_call(call.id);
    result.set_code(static_cast<uint32_t>(status.code()));
    result.set_message(std::string(status.message()));
  });
  call.peer->calls().Flush();
}

}  // namespace tiffin::worker
