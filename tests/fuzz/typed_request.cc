// A request of a typed API, whose message is described at run time: the first byte says which API,
// the rest are the message's bytes. What is accepted fits the API's signature, fills the reply of
// an API that gives back its inputs, and is the same when that reply, which has the same fields, is
// sent as a request; what is refused is the client's fault, in at most 1 KiB.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gateway/api/typed/codec.h"
#include "gateway/api/typed/descriptors.h"
#include "nlohmann/json.hpp"
#include "tests/fuzz/api_targets.h"

namespace tiffin::gateway::typed {
namespace {

using fuzz::Require;

// Objects in JSON have their keys in any order.
bool IsSame(const std::string& one, const std::string& other, ValueKind kind) {
  if (one == other || kind != ValueKind::kJson) return one == other;
  const auto texts = ParseBytesElements(AsBytes(one)).value();
  const auto others = ParseBytesElements(AsBytes(other)).value();
  return std::equal(texts.begin(), texts.end(), others.begin(), others.end(),
                    [](std::string_view a, std::string_view b) {
                      return nlohmann::json::parse(a) == nlohmann::json::parse(b);
                    });
}

void Check(fuzz::Input input) {
  // Messages of it are made until the end.
  static const Descriptors& descriptors =
      *Descriptors::Create(FuzzedServing().services()).value().release();
  static const std::vector<std::string> paths = descriptors.MethodPaths();
  const Method& method = *descriptors.FindMethod(paths[input.Byte() % paths.size()]);
  const Interface target = InterfaceOf(method.api);
  const std::unique_ptr<google::protobuf::Message> request(method.request->New());
  const std::string_view bytes = input.Rest();
  if (!request->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const auto inputs = DecodeRequest(*request, target, FuzzedServing());
  if (!inputs.ok()) {
    CheckRefused(inputs.status());
    return;
  }
  CheckDecoded(*inputs, target);

  const std::unique_ptr<google::protobuf::Message> reply(method.reply->New());
  const absl::Status filled = FillReply(inputs->values, target, *reply);
  Require(filled.ok(), "what was accepted can be answered with");
  const std::unique_ptr<google::protobuf::Message> again(method.request->New());
  Require(again->ParseFromString(reply->SerializeAsString()), "a reply is a message");
  const auto back = DecodeRequest(*again, target, FuzzedServing());
  Require(back.ok(), "a reply's fields can be sent again");
  for (size_t i = 0; i < back->values.size(); ++i) {
    Require(IsSame(testing::Content(back->values[i]), testing::Content(inputs->values[i]),
                   target.inputs[i].type.kind),
            "a value goes through and back as it was");
  }
}

}  // namespace
}  // namespace tiffin::gateway::typed

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::gateway::typed::Check(tiffin::fuzz::Input(data, size));
  return 0;
}
