// A ModelInferRequest, as its bytes come from a client. Read without copying its raw contents it is
// what protobuf reads, and refused where protobuf refuses it. What is accepted fits the model's
// signature, and comes back in a reply whose outputs have the same bytes; what is refused is the
// client's fault, in at most 1 KiB.
#include <string>

#include "gateway/api/kserve/decode.h"
#include "gateway/api/kserve/response.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "tests/fuzz/api_targets.h"

namespace tiffin::gateway::kserve {
namespace {

using fuzz::Require;
using inference::ModelInferRequest;

std::string Deterministic(const google::protobuf::Message& message) {
  std::string text;
  google::protobuf::io::StringOutputStream stream(&text);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return text;
}

// What our reader made of the bytes is what protobuf's did.
void CheckAgreement(const ParsedRequest& parsed, ModelInferRequest& whole) {
  Require(static_cast<size_t>(whole.raw_input_contents_size()) == parsed.raw_inputs().size(),
          "both readers find the same raw contents");
  for (int i = 0; i < whole.raw_input_contents_size(); ++i) {
    Require(whole.raw_input_contents(i) == parsed.raw_inputs()[static_cast<size_t>(i)],
            "both readers find the same raw contents");
  }
  whole.clear_raw_input_contents();
  Require(Deterministic(whole) == Deterministic(parsed.message()),
          "both readers find the same message");
}

// A model that gives back its inputs.
void CheckReply(const ParsedRequest& parsed, CheckedRequest& request) {
  const auto bytes = EncodeResponse(*request.model, parsed.message().id(), request.inputs.values,
                                    request.outputs, request.parameters.get());
  Require(bytes.ok(), "what was accepted can be answered with");
  inference::ModelInferResponse reply;
  Require(ParseMessage(*bytes, reply).ok(), "a reply is a message");
  Require(static_cast<size_t>(reply.outputs_size()) == request.outputs.size() &&
              reply.raw_output_contents_size() == reply.outputs_size(),
          "a reply has the outputs that were asked for");
  for (int i = 0; i < reply.outputs_size(); ++i) {
    const size_t index = request.outputs[static_cast<size_t>(i)].index;
    Require(reply.outputs(i).name() == request.model->interface.outputs[index].name,
            "outputs come in the order they were asked for");
    Require(reply.raw_output_contents(i) == testing::Content(request.inputs.values[index]),
            "an output has the bytes of its value");
  }
}

void Check(std::string_view input) {
  static const ModelTable models =
      ModelTable::Create(FuzzedServing().services(), FuzzedServing().runners()).value();
  const grpc::Slice slice(input.data(), input.size());
  ParsedRequest parsed;
  const absl::Status status = parsed.Parse(grpc::ByteBuffer(&slice, 1));
  ModelInferRequest whole;
  const bool is_message = whole.ParseFromArray(input.data(), static_cast<int>(input.size()));
  Require(status.ok() == is_message, "both readers take the same bytes for a message");
  if (!status.ok()) {
    CheckRefused(status);
    return;
  }
  CheckAgreement(parsed, whole);
  absl::StatusOr<CheckedRequest> request =
      CheckRequest(parsed, models, {.caller = nullptr, .memory = nullptr}, FuzzedServing());
  if (!request.ok()) {
    CheckRefused(request.status());
    return;
  }
  CheckDecoded(request->inputs, request->model->interface);
  CheckReply(parsed, *request);
}

}  // namespace
}  // namespace tiffin::gateway::kserve

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::gateway::kserve::Check(tiffin::fuzz::Input(data, size).Rest());
  return 0;
}
