#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/clock.h"
#include "gateway/api/kserve/shared_memory.h"
#include "gateway/api/rpc.h"
#include "gateway/api/serving.h"
#include "gateway/api/typed/descriptors.h"

namespace tiffin::gateway {

// All protocols that clients may speak, over one Serving. Here a new one is registered. On the
// loop's thread; outlives all RPCs, and the last turn of the loop. Start offers the RPC to each in
// turn.
class Api : public RpcService {
 public:
  // `described`: what is served, for all loops. INVALID_ARGUMENT if names of the services clash.
  // All outlive the result. `client_memory`: null if clients may not share theirs; one for all
  // loops of the process.
  static absl::StatusOr<std::unique_ptr<Api>> Create(Serving& serving,
                                                     const typed::Descriptors& described,
                                                     kserve::SharedMemory* client_memory = nullptr,
                                                     const Clock& clock = Clock::Monotonic());
};

}  // namespace tiffin::gateway
