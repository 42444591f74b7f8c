#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin::bench {

// What asks a gateway for its timeline, and where the answer is.
inline constexpr char kTimingKey[] = "tiffin-timing";

// A call of raw bytes. Stays where it is from Start until `tag` has come out of the queue; may be
// released and started again then. The queue may give the tag to another thread before Start has
// returned.
class UnaryCall {
 public:
  struct Options {
    absl::Time deadline = absl::InfiniteFuture();
    bool wants_timing = false;
  };

  void Start(grpc::GenericStub& stub, const std::string& method, const grpc::ByteBuffer& request,
             const Options& options, grpc::CompletionQueue& queue, void* tag) {
    const absl::MutexLock lock(&starting_);
    context_.emplace();
    if (options.wants_timing) context_->AddMetadata(kTimingKey, "1");
    if (options.deadline != absl::InfiniteFuture()) {
      context_->set_deadline(absl::ToChronoTime(options.deadline));
    }
    reply_.Clear();
    call_ = stub.PrepareUnaryCall(&*context_, method, request, &queue);
    call_->StartCall();
    call_->Finish(&reply_, &status_, tag);
  }

  // While it is under way, or never started.
  void Cancel() {
    if (context_.has_value()) context_->TryCancel();
  }

  // Once it is complete. Release frees what it holds.
  const grpc::ByteBuffer& reply() const { return reply_; }
  absl::Status status() const {
    return absl::Status(static_cast<absl::StatusCode>(status_.error_code()),
                        status_.error_message());
  }
  // JSON; empty if the server gave none.
  std::string timing() const {
    const auto& trailers = context_->GetServerTrailingMetadata();
    const auto found = trailers.find(kTimingKey);
    return found == trailers.end() ? "" : std::string(found->second.data(), found->second.size());
  }
  void Release() {
    // Not under a Start that has yet to return from gRPC.
    const absl::MutexLock lock(&starting_);
    call_.reset();
    context_.reset();
    reply_.Clear();
  }

 private:
  absl::Mutex starting_;
  std::optional<grpc::ClientContext> context_;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> call_;
  grpc::ByteBuffer reply_;
  grpc::Status status_;
};

}  // namespace tiffin::bench
