#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/clock.h"
#include "gateway/api/infer_call.h"
#include "gateway/api/rpc.h"
#include "gateway/api/serving.h"
#include "gateway/api/typed/descriptors.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin::gateway::typed {

// The typed APIs: tiffin.services.<service>.<Service>/<Api>. On the loop's thread; outlives its
// RPCs.
class TypedService : public RpcService {
 public:
  // All of them outlive the service.
  TypedService(Serving& serving, const Descriptors& descriptors,
               const Clock& clock = Clock::Monotonic());

  std::vector<std::string> UnaryMethods() const override { return descriptors_.MethodPaths(); }
  bool Start(Rpc& rpc) override;

 private:
  void Infer(Rpc& rpc, const Method& method, const grpc::ByteBuffer& message, absl::Time received);

  Serving& serving_;
  const Descriptors& descriptors_;
  std::map<const PlannedApi*, Interface> interfaces_;
  InferCalls calls_;
};

}  // namespace tiffin::gateway::typed
