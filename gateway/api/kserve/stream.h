#pragma once

#include <memory>
#include <unordered_map>

#include "gateway/api/infer_call.h"
#include "gateway/api/kserve/model_table.h"
#include "gateway/api/kserve/shared_memory.h"
#include "gateway/api/rpc.h"
#include "gateway/api/serving.h"

namespace tiffin::gateway::kserve {

// inference.GRPCInferenceService/ModelStreamInfer: the requests of a stream run at the same time,
// and their responses go out in the order of the requests. One that fails gets an error of its own,
// and the stream goes on. A client that doesn't take its responses is not read from. Owns the
// streams; destruction cancels their requests without finishing their RPCs. On the loop's thread.
class InferStreams {
 public:
  // All of it outlives this. `memory`: null if clients may not share theirs.
  InferStreams(Serving& serving, const ModelTable& models, const SharedMemory* memory,
               InferCalls& calls);
  ~InferStreams();

  // Takes the RPC and finishes it: when the client has ended its side and has all responses.
  void Start(Rpc& rpc);
  size_t size() const { return streams_.size(); }

 private:
  class Stream;

  void End(Rpc& rpc, absl::Status status);

  Serving& serving_;
  const ModelTable& models_;
  const SharedMemory* const memory_;
  InferCalls& calls_;
  std::unordered_map<Rpc*, std::unique_ptr<Stream>> streams_;
};

// Requests of one stream that are under way, or whose responses the client has not taken yet.
inline constexpr size_t kMaxStreamed = 64;

}  // namespace tiffin::gateway::kserve
