#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "gateway/api/infer_call.h"
#include "gateway/api/kserve/model_table.h"
#include "gateway/api/kserve/server_info.h"
#include "gateway/api/kserve/shared_memory.h"
#include "gateway/api/kserve/stream.h"
#include "gateway/api/rpc.h"
#include "gateway/api/serving.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin::gateway::kserve {

// inference.GRPCInferenceService: every API and every method of a runner as a model. Takes all of
// the protocol's RPCs, and Triton's; those it does not have are answered UNIMPLEMENTED, by name. On
// the loop's thread; outlives its RPCs.
class KserveService : public RpcService {
 public:
  // INVALID_ARGUMENT if two models have the same name. All outlive the service. `memory`: null if
  // clients may not share theirs.
  static absl::StatusOr<std::unique_ptr<KserveService>> Create(
      Serving& serving, SharedMemory* memory = nullptr, const Clock& clock = Clock::Monotonic());

  // The one that is called all the time.
  std::vector<std::string> UnaryMethods() const override;
  bool Start(Rpc& rpc) override;

 private:
  KserveService(Serving& serving, SharedMemory* memory, const Clock& clock, ModelTable models)
      : serving_(serving),
        memory_(memory),
        models_(std::move(models)),
        info_(serving, models_, clock),
        calls_(serving, clock),
        streams_(serving, models_, memory, calls_) {}

  // Those of all RPCs with one request and one response, ModelInfer apart. False: it has none.
  bool StartUnary(std::string_view method, Rpc& rpc);

  void ModelInfer(Rpc& rpc, const grpc::ByteBuffer& message, absl::Time received);

  Serving& serving_;
  SharedMemory* const memory_;
  ModelTable models_;
  ServerInfo info_;
  InferCalls calls_;
  InferStreams streams_;
};

}  // namespace tiffin::gateway::kserve
