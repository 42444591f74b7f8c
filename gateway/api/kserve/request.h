#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gateway/api/interface.h"
#include "gateway/api/kserve/shared_memory.h"
#include "gateway/api/kserve/shared_tensor.h"
#include "gateway/graph/value.h"
#include "google/protobuf/arena.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::gateway::kserve {

// A ModelInferRequest whose raw_input_contents were left where they arrived, so that they are
// copied once, into memory that the steps read. Not movable: the message lives in the arena.
class ParsedRequest {
 public:
  ParsedRequest() = default;
  ParsedRequest(const ParsedRequest&) = delete;
  ParsedRequest& operator=(const ParsedRequest&) = delete;

  // Once. INVALID_ARGUMENT if the bytes are not such a message.
  absl::Status Parse(const grpc::ByteBuffer& bytes);
  // Instead of Parse, for who has the request in another form: an empty message to be filled, and
  // the contents of its inputs, one after the other, which outlive this.
  inference::ModelInferRequest& Begin();
  void AddRawInput(std::string_view bytes) { raw_inputs_.push_back(bytes); }

  // Without raw_input_contents; valid after Parse or Begin.
  const inference::ModelInferRequest& message() const { return *message_; }
  std::span<const std::string_view> raw_inputs() const { return raw_inputs_; }

 private:
  google::protobuf::Arena arena_;
  inference::ModelInferRequest* message_ = nullptr;
  grpc::Slice slice_;                         // Holds the bytes.
  std::vector<std::string_view> raw_inputs_;  // Into slice_, after Parse.
};

// The inputs of `target`, checked. Those in clients' shared memory have at most the bytes that a
// message may have, together. `memory`: null if clients may not share theirs.
absl::StatusOr<InputSet> DecodeInputs(const ParsedRequest& request, const Interface& target,
                                      const SharedMemory* memory, ValueAllocator& allocator);

struct RequestedOutput {
  size_t index = 0;                   // Of the target's outputs.
  std::optional<SharedTensor> place;  // Else in the reply.
};
// The outputs to send, in the order of the request; all of them where it names none.
absl::StatusOr<std::vector<RequestedOutput>> RequestedOutputs(
    const inference::ModelInferRequest& request, const Interface& target,
    const SharedMemory* memory);

// The parameter `timeout`, in microseconds. Absent or 0: none. Every other parameter is another
// server's, and ignored, as the protocol has it.
absl::StatusOr<std::optional<absl::Duration>> TimeoutOf(
    const inference::ModelInferRequest& request);

}  // namespace tiffin::gateway::kserve
