#include "gateway/api/kserve/stream.h"

#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "gateway/api/kserve/decode.h"
#include "gateway/api/kserve/request.h"
#include "gateway/api/message_io.h"
#include "gateway/api/status.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/support/slice.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::gateway::kserve {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;

// A ModelStreamInferResponse around a ModelInferResponse, whose bytes stay where they are.
absl::StatusOr<grpc::ByteBuffer> Wrap(grpc::ByteBuffer response) {
  constexpr uint32_t kTag =
      WireFormatLite::MakeTag(inference::ModelStreamInferResponse::kInferResponseFieldNumber,
                              WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  uint8_t head[16];
  uint8_t* end = CodedOutputStream::WriteVarint32ToArray(kTag, head);
  end = CodedOutputStream::WriteVarint64ToArray(response.Length(), end);
  std::vector<grpc::Slice> slices;
  if (const grpc::Status dumped = response.Dump(&slices); !dumped.ok()) {
    return absl::InternalError(dumped.error_message());
  }
  slices.insert(slices.begin(), grpc::Slice(head, static_cast<size_t>(end - head)));
  return grpc::ByteBuffer(slices.data(), slices.size());
}

grpc::ByteBuffer ErrorReply(const std::string& id, const absl::Status& status) {
  inference::ModelStreamInferResponse response;
  response.set_error_message(std::string(Bounded(status).message()));
  response.mutable_infer_response()->set_id(id);
  return SerializeMessage(response);
}

}  // namespace

class InferStreams::Stream {
 public:
  Stream(InferStreams& owner, Rpc& rpc) : owner_(owner), rpc_(rpc) {}
  ~Stream() {
    for (const Entry& entry : entries_) {
      if (entry.pending != nullptr) Log(entry, absl::CancelledError("its stream has ended"));
    }
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void Read() {
    if (reading_ || half_closed_ || entries_.size() >= kMaxStreamed) return;
    reading_ = true;
    rpc_.Read([this](std::optional<grpc::ByteBuffer> message) {
      reading_ = false;
      if (message.has_value()) {
        Take(*message);
        Read();
      } else {
        half_closed_ = true;
      }
      Write();
    });
  }

 private:
  // A request, from its arrival until its response is written.
  struct Entry {
    std::string id;
    // For the log.
    std::optional<InferTarget> target;
    int64_t rows = 0;
    std::string request_id;
    TraceContext trace;
    absl::Time received;
    EncodeReply encode;
    std::unique_ptr<PendingInfer> pending;
    std::optional<grpc::ByteBuffer> reply;
  };

  void Take(const grpc::ByteBuffer& message) {
    Entry& entry = entries_.emplace_back();  // A list: the address stays.
    entry.received = owner_.calls_.Now();
    if (absl::Status started = Start(message, entry); !started.ok()) {
      Log(entry, started);
      entry.reply = ErrorReply(entry.id, started);
    }
  }

  absl::Status Start(const grpc::ByteBuffer& message, Entry& entry) {
    ParsedRequest parsed;
    if (absl::Status status = parsed.Parse(message); !status.ok()) {
      owner_.serving_.CountRefused(std::nullopt, status.code());
      return status;
    }
    entry.id = parsed.message().id();
    absl::StatusOr<InferRequest> decoded = DecodeRequest(
        parsed, owner_.models_, {rpc_.caller(), owner_.memory_}, owner_.serving_.allocator());
    if (!decoded.ok()) {
      owner_.serving_.CountRefused(TargetOf(parsed, owner_.models_), decoded.status().code());
      return decoded.status();
    }
    InferRequest& request = *decoded;
    request.received = entry.received;
    entry.encode = std::move(request.encode);
    InferOptions options = owner_.calls_.OptionsOf(rpc_, request);
    entry.target = request.target;
    entry.rows = request.inputs.rows;
    entry.request_id = options.request_id;
    entry.trace = options.trace;
    options.want_timing = false;  // It would come when the stream ends, if at all.
    entry.pending = owner_.serving_.Start(
        request.target, std::move(request.inputs.values), request.inputs.rows, std::move(options),
        [this, &entry](absl::StatusOr<InferReply> reply) { Finish(entry, std::move(reply)); });
    return absl::OkStatus();
  }

  void Finish(Entry& entry, absl::StatusOr<InferReply> reply) {
    absl::StatusOr<grpc::ByteBuffer> message = Encode(entry, reply);
    if (reply.ok()) entry.pending->OnEncoded(message.status());
    entry.pending.reset();
    Log(entry, message.status());
    entry.reply = message.ok() ? *std::move(message) : ErrorReply(entry.id, message.status());
    Write();
  }

  void Log(const Entry& entry, const absl::Status& status) const {
    if (!owner_.calls_.log().Wants(status)) return;
    owner_.calls_.log().Ended({.method = rpc_.method(),
                               .target = entry.target,
                               .rows = entry.rows,
                               .request_id = entry.request_id.empty() ? entry.id : entry.request_id,
                               .trace = entry.trace,
                               .duration = owner_.calls_.Now() - entry.received,
                               .caller = rpc_.caller()},
                              status);
  }

  static absl::StatusOr<grpc::ByteBuffer> Encode(Entry& entry,
                                                 const absl::StatusOr<InferReply>& reply) {
    RETURN_IF_ERROR(reply.status());
    ASSIGN_OR_RETURN(grpc::ByteBuffer response, entry.encode(reply->outputs));
    return Wrap(std::move(response));
  }

  // The next response, or the end. May destroy this.
  void Write() {
    if (writing_) return;
    if (entries_.empty()) {
      if (half_closed_) owner_.End(rpc_, absl::OkStatus());
      return;
    }
    if (!entries_.front().reply.has_value()) return;
    writing_ = true;
    rpc_.Write(*std::move(entries_.front().reply), [this](bool ok) {
      writing_ = false;
      if (!ok) {
        owner_.End(rpc_, absl::CancelledError("the client is gone"));
        return;
      }
      entries_.pop_front();
      Read();
      Write();
    });
  }

  InferStreams& owner_;
  Rpc& rpc_;
  std::list<Entry> entries_;  // In the order of the requests.
  bool reading_ = false;
  bool writing_ = false;
  bool half_closed_ = false;
};

InferStreams::InferStreams(Serving& serving, const ModelTable& models, const SharedMemory* memory,
                           InferCalls& calls)
    : serving_(serving), models_(models), memory_(memory), calls_(calls) {}

InferStreams::~InferStreams() = default;

void InferStreams::Start(Rpc& rpc) {
  Stream& stream = *(streams_[&rpc] = std::make_unique<Stream>(*this, rpc));
  rpc.OnCancelled([this, &rpc] {
    End(rpc, absl::CancelledError("the client cancelled the stream, or its deadline passed"));
  });
  stream.Read();
}

void InferStreams::End(Rpc& rpc, absl::Status status) {
  // Held until the RPC has dropped the callbacks that name the stream.
  const auto node = streams_.extract(&rpc);
  if (node.empty()) return;
  if (status.ok()) {
    rpc.Finish(absl::OkStatus(), std::nullopt);
  } else {
    FinishWith(rpc, status);
  }
}

}  // namespace tiffin::gateway::kserve
