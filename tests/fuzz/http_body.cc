// The body of an HTTP request to an API: JSON, a multipart form, or the one input itself. The first
// line of the input is the API's name, the second the content type, the rest the body. The parts of
// a form are pieces of the body, one after the other. What is accepted fits the API's signature or
// is refused by its check; and numbers come back from JSON as they were.
#include <optional>
#include <string>
#include <vector>

#include "gateway/api/http/body.h"
#include "gateway/api/http/multipart.h"
#include "gateway/api/json_tensor.h"
#include "nlohmann/json.hpp"
#include "tests/fuzz/api_targets.h"

namespace tiffin::gateway::http {
namespace {

using fuzz::Require;

void CheckParts(std::string_view body, std::string_view content_type) {
  const MediaValue type = ParseMediaValue(content_type);
  const auto parts = ParseMultipart(body, type.Parameter("boundary"));
  if (!parts.ok()) {
    CheckRefused(parts.status());
    return;
  }
  const char* last = body.data();
  for (const FormPart& part : *parts) {
    Require(!part.name.empty(), "a part has a name");
    if (part.content.empty()) continue;
    Require(part.content.data() >= last &&
                part.content.data() + part.content.size() <= body.data() + body.size(),
            "parts are pieces of the body, in order");
    last = part.content.data() + part.content.size();
  }
}

// A tensor written as JSON is the same tensor when it is read.
void CheckJson(const Value& value, const ValueType& type) {
  if (type.kind != ValueKind::kTensor) return;
  const absl::StatusOr<TensorView> view = value.View();
  Require(view.ok(), "an input can be seen");
  std::string text;
  if (const absl::Status written = AppendTensorJson(*view, BytesForm::kBase64, text);
      !written.ok()) {
    Require(absl::IsUnimplemented(written), "a tensor has a JSON form, or there is none");
    return;
  }
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  Require(!json.is_discarded(), "a tensor's JSON is JSON");
  // Where a dimension is 0, JSON doesn't tell those inside it.
  for (const int64_t dimension : view->shape) {
    if (dimension == 0) return;
  }
  const auto back = TensorFromJson(json, view->dtype, view->shape, BytesForm::kBase64);
  Require(back.ok() && back->shape == view->shape, "a tensor's JSON is read as a tensor");
  // A NaN has many forms, and JSON one.
  if (text.find("NaN") != text.npos) return;
  Require(back->bytes == AsStringView(view->bytes), "a tensor comes back from JSON as it was");
}

void Check(fuzz::Input input) {
  const std::string api(input.Line());
  const std::string content_type(input.Line());
  CheckParts(input.Rest(), content_type);
  const PlannedService& service = FuzzedServing().services().front();
  for (const PlannedApi& planned : service.apis) {
    if (planned.name != api) continue;
    const Interface target = InterfaceOf(&planned);
    const Request request{.method = "POST",
                          .target = "/demo/" + api,
                          .fields = {{"content-type", content_type}},
                          .body = std::string(input.Rest())};
    const DecodedBody decoded = DecodeBody(request, target);
    if (!decoded.status.ok()) {
      CheckRefused(decoded.status);
      return;
    }
    std::vector<std::optional<Value>> values(target.inputs.size());
    for (const BodyInput& taken : decoded.inputs) {
      Require(taken.index < values.size(), "an input is one of the API's");
      auto value = TakeInput(target.inputs[taken.index], target.has_rows, taken.shape,
                             AsBytes(taken.bytes), FuzzedServing());
      if (!value.ok()) {
        CheckRefused(value.status());
        return;
      }
      CheckJson(*value, target.inputs[taken.index].type);
      values[taken.index] = *std::move(value);
    }
    const auto inputs = CompleteInputs(target, std::move(values));
    if (inputs.ok()) {
      CheckDecoded(*inputs, target);
    } else {
      CheckRefused(inputs.status());
    }
  }
}

}  // namespace
}  // namespace tiffin::gateway::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::gateway::http::Check(tiffin::fuzz::Input(data, size));
  return 0;
}
