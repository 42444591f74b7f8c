// KServe v2 over HTTP: JSON with binary data behind it. The first line of the input is the field
// that tells how long the JSON is ("-": there is none), the second the model's name, the rest the
// body. What is accepted is the same request as over gRPC: sent there as a message, it gives the
// same inputs. The answer is JSON of the length that it says, then the binary outputs, and nothing
// else; what is refused is the client's fault, in at most 1 KiB.
#include <optional>
#include <string>
#include <vector>

#include "gateway/api/http/infer_answer.h"
#include "gateway/api/http/infer_body.h"
#include "gateway/api/http/message.h"
#include "gateway/api/kserve/decode.h"
#include "gateway/api/text.h"
#include "tests/fuzz/api_targets.h"

namespace tiffin::gateway::http {
namespace {

using fuzz::Require;
using kserve::CheckedRequest;
using kserve::ParsedRequest;

// As a message of gRPC's.
absl::StatusOr<CheckedRequest> CheckAsMessage(const ParsedRequest& parsed,
                                              const kserve::ModelTable& models) {
  inference::ModelInferRequest message = parsed.message();
  for (const std::string_view raw : parsed.raw_inputs()) {
    message.add_raw_input_contents(raw.data(), raw.size());
  }
  ParsedRequest again;
  Require(again.Parse(SerializeMessage(message)).ok(), "a request is a message");
  return CheckRequest(again, models, {.caller = nullptr, .memory = nullptr}, FuzzedServing());
}

void CheckAnswer(const InferBody& body, const CheckedRequest& request) {
  std::vector<WantedOutput> wanted;
  size_t binary = 0;
  for (const kserve::RequestedOutput& output : request.outputs) {
    const std::string& name = request.model->interface.outputs[output.index].name;
    wanted.push_back({.index = output.index, .binary = body.WantsBinary(name)});
    if (wanted.back().binary)
      binary += testing::Content(request.inputs.values[output.index]).size();
  }
  const auto answer = EncodeInferAnswer(*request.model, body.parsed().message().id(),
                                        request.inputs.values, wanted, request.parameters.get());
  if (!answer.ok()) {  // FP16, and bytes that are no text, have no JSON form.
    Require(absl::IsUnimplemented(answer.status()), "all else can be answered with");
    return;
  }
  grpc::Slice slice;
  Require(answer->body.DumpToSingleSlice(&slice).ok(), "an answer has bytes");
  const std::string_view whole(reinterpret_cast<const char*>(slice.begin()), slice.size());
  Require(whole.size() == answer->json_size + binary, "behind the JSON are the binary outputs");
  const nlohmann::json json = nlohmann::json::parse(whole.substr(0, answer->json_size), nullptr,
                                                    /*allow_exceptions=*/false);
  Require(json.is_object() && json["outputs"].size() == wanted.size(), "an answer is JSON");
}

void Check(fuzz::Input input) {
  static const kserve::ModelTable models =
      kserve::ModelTable::Create(FuzzedServing().services(), FuzzedServing().runners()).value();
  const std::string_view length = input.Line();
  const std::string_view model = input.Line();
  if (!IsValidUtf8(model)) return;  // The router has seen to it.
  const InferBody body(std::string(input.Rest()), model, "",
                       length == "-" ? std::nullopt : std::optional(length));
  if (!body.status().ok()) {
    CheckRefused(body.status());
    // Throws on text that is not UTF-8.
    (void)ErrorBody(Message(Bounded(body.status())));
    return;
  }
  const auto request =
      CheckRequest(body.parsed(), models, {.caller = nullptr, .memory = nullptr}, FuzzedServing());
  const auto as_message = CheckAsMessage(body.parsed(), models);
  Require(request.status() == as_message.status(), "both protocols say the same");
  if (!request.ok()) {
    CheckRefused(request.status());
    (void)ErrorBody(Message(Bounded(request.status())));
    return;
  }
  CheckDecoded(request->inputs, request->model->interface);
  for (size_t i = 0; i < request->inputs.values.size(); ++i) {
    Require(testing::Content(request->inputs.values[i]) ==
                testing::Content(as_message->inputs.values[i]),
            "both protocols have the same inputs");
  }
  CheckAnswer(body, *request);
}

}  // namespace
}  // namespace tiffin::gateway::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::gateway::http::Check(tiffin::fuzz::Input(data, size));
  return 0;
}
