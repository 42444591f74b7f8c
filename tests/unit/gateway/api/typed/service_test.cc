#include "gateway/api/typed/service.h"

#include "gateway/api/typed/proto_files.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway::typed {
namespace {

using testing::BytesValue;
using testing::Content;
using testing::FakeRpc;
using testing::FakeServing;
using testing::Framed;
using ::testing::HasSubstr;
using testing::Raw;
using testing::Spec;
using testing::TestLoop;

class TypedServiceTest : public ::testing::Test {
 protected:
  TypedServiceTest() {
    serving_.AddApi("demo", "mix_all",
                    {Spec("picture", "image"), Spec("words", "text"), Spec("settings", "json"),
                     Spec("blob", "bytes"), Spec("features", "fp32[2]")},
                    {Spec("verdict", "text"), Spec("details", "json"), Spec("blob", "bytes"),
                     Spec("scores", "fp32[2]")});
    PlannedApi& rows = serving_.AddApi(
        "demo", "rows", {Spec("t", "text"), Spec("j", "json"), Spec("x", "fp32[2]")},
        {Spec("u", "text"), Spec("k", "json"), Spec("y", "int64[]")});
    rows.has_rows = true;
    descriptors_ = *Descriptors::Create(serving_.services());
    service_ = std::make_unique<TypedService>(serving_, *descriptors_);
  }

  // The request as JSON, as a client would write it.
  FakeRpc& Call(const std::string& method, const std::string& json) {
    rpcs_.emplace_back(loop_, "/tiffin.services.demo.Demo/" + method);
    const Method* found = descriptors_->FindMethod(rpcs_.back().method());
    if (found == nullptr) std::abort();
    std::unique_ptr<google::protobuf::Message> request(found->request->New());
    const auto status = google::protobuf::util::JsonStringToMessage(json, request.get());
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_TRUE(service_->Start(rpcs_.back()));
    rpcs_.back().Send(*request);
    loop_.Run();
    return rpcs_.back();
  }
  std::string ReplyJson(const FakeRpc& rpc) {
    const Method* found = descriptors_->FindMethod(rpc.method());
    std::unique_ptr<google::protobuf::Message> reply(found->reply->New());
    EXPECT_TRUE(ParseMessage(*rpc.message, *reply).ok());
    std::string json;
    EXPECT_TRUE(google::protobuf::util::MessageToJsonString(*reply, &json).ok());
    return json;
  }

  static constexpr const char* kGood =
      R"({"picture": "cG5n", "words": "h\u00e9", "settings": {"a": [1, null]}, "blob": "AP8=",
          "features": {"dtype": "FP32", "shape": [2], "data": "AACAPwAAAEA="}})";
  static constexpr const char* kRows =
      R"({"t": ["a", "b"], "j": [1, {"k": "v"}],
          "x": {"dtype": "fp32", "shape": [2, 2], "data": "AACAPwAAAEAAAIA/AAAAQA=="}})";

  TestLoop loop_;
  FakeServing serving_;
  std::unique_ptr<Descriptors> descriptors_;
  std::unique_ptr<TypedService> service_;
  std::deque<FakeRpc> rpcs_;
};

TEST_F(TypedServiceTest, EveryKindGoesThroughAndBack) {
  FakeRpc& rpc = Call("MixAll", kGood);
  ASSERT_FALSE(rpc.finished()) << *rpc.status;
  FakeServing::Started& started = serving_.started.back();
  EXPECT_EQ(started.rows, 1);
  ASSERT_EQ(started.inputs.size(), 5U);
  EXPECT_EQ(Content(started.inputs[0]), Framed({"png"}));
  EXPECT_EQ(Content(started.inputs[1]), Framed({"h\xC3\xA9"}));
  EXPECT_EQ(Content(started.inputs[2]), Framed({R"({"a":[1,null]})"}));
  EXPECT_EQ(Content(started.inputs[3]), Framed({std::string("\0\xFF", 2)}));
  EXPECT_EQ(Content(started.inputs[4]), Raw<float>({1, 2}));
  EXPECT_EQ(started.inputs[4].shape, (Shape{1, 2}));

  started.done(InferReply{
      .outputs = {BytesValue({"yes"}), BytesValue({R"([true, {"b": 2.5}])"}), BytesValue({"raw"}),
                  HeapValue(DataType::kFp32, {1, 2}, Raw<float>({1, 2}))},
      .steps = {}});
  ASSERT_TRUE(rpc.status->ok()) << *rpc.status;
  EXPECT_EQ(ReplyJson(rpc), R"({"verdict":"yes","details":[true,{"b":2.5}],"blob":"cmF3",)"
                            R"("scores":{"dtype":"FP32","shape":["2"],"data":"AACAPwAAAEA="}})");
}

TEST_F(TypedServiceTest, RowsAreRepeatedSinglesAndTallerTensors) {
  FakeRpc& rpc = Call("Rows", kRows);
  ASSERT_FALSE(rpc.finished()) << *rpc.status;
  FakeServing::Started& started = serving_.started.back();
  EXPECT_EQ(started.rows, 2);
  EXPECT_EQ(Content(started.inputs[0]), Framed({"a", "b"}));
  EXPECT_EQ(Content(started.inputs[1]), Framed({"1", R"({"k":"v"})"}));
  EXPECT_EQ(started.inputs[2].shape, (Shape{2, 2}));
  started.done(InferReply{.outputs = {BytesValue({"c", "d"}), BytesValue({"null", "\"s\""}),
                                      HeapValue(DataType::kInt64, {2}, Raw<int64_t>({5, 6}))},
                          .steps = {}});
  ASSERT_TRUE(rpc.status->ok()) << *rpc.status;
  EXPECT_EQ(ReplyJson(rpc),
            R"({"u":["c","d"],"k":[null,"s"],)"
            R"("y":{"dtype":"INT64","shape":["2"],"data":"BQAAAAAAAAAGAAAAAAAAAA=="}})");
}

TEST_F(TypedServiceTest, BadInputsAreRefused) {
  struct Case {
    const char* method;
    const char* request;
    const char* message;
  };
  for (const Case& bad : {
           Case{"MixAll", "{}", "input 'picture' of 'demo.mix_all' is missing; it is image"},
           Case{"MixAll", R"({"picture": "", "words": "x"})",
                "input 'settings' of 'demo.mix_all' is missing; it is json"},
           Case{"Rows", R"({"t": [], "j": [1]})", "input 't' of 'demo.rows' is missing"},
           Case{"Rows",
                R"({"t": ["a"], "j": [1, 2],
                    "x": {"dtype": "FP32", "shape": [1, 2], "data": "AACAPwAAAEA="}})",
                "input 'j' has 2 rows, but 't' has 1; all need the same"},
           Case{"MixAll", R"({"features": {"dtype": "FP64", "shape": [2]}})",
                "input 'features' has dtype 'FP64', expected FP32"},
           Case{"MixAll", R"({"features": {"shape": [2]}})",
                "input 'features' has dtype '', expected FP32"},
           Case{"MixAll", R"({"features": {"dtype": "FP32", "shape": [1, 2]}})",
                "input 'features' has shape [1,2], expected [2]"},
           Case{"MixAll", R"({"features": {"dtype": "FP32", "shape": [2], "data": "AAAA"}})",
                "input 'features': FP32 of shape [2] needs 8 bytes, but there are 3"},
           Case{"Rows", R"({"x": {"dtype": "FP32", "shape": [0, 2]}})",
                "input 'x' has shape [0,2]: no rows; send at least one"},
       }) {
    FakeRpc& rpc = Call(bad.method, bad.request);
    ASSERT_TRUE(rpc.finished()) << bad.message;
    EXPECT_EQ(rpc.status->code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(rpc.status->message()), HasSubstr(bad.message));
    EXPECT_TRUE(rpc.trailing.contains("x-request-id"));
  }
  EXPECT_TRUE(serving_.started.empty());
}

TEST_F(TypedServiceTest, BytesThatAreNoMessageAreRefused) {
  for (const std::string& bytes :
       {std::string("\xFF\xFF"), std::string("\x12\x01\xFF"), std::string("\x0A\x09x")}) {
    FakeRpc rpc(loop_, "/tiffin.services.demo.Demo/MixAll");
    service_->Start(rpc);
    const grpc::Slice slice(bytes);
    rpc.Send(grpc::ByteBuffer(&slice, 1));
    loop_.Run();
    ASSERT_TRUE(rpc.finished());
    EXPECT_EQ(rpc.status->code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(rpc.status->message()),
                HasSubstr("the request is not a valid tiffin.services.demo.MixAllRequest"));
  }
}

TEST_F(TypedServiceTest, JsonWithoutAKindIsRefused) {
  const Method* method = descriptors_->FindMethod("/tiffin.services.demo.Demo/Rows");
  std::unique_ptr<google::protobuf::Message> request(method->request->New());
  const auto* reflection = request->GetReflection();
  const auto* type = request->GetDescriptor();
  reflection->AddString(request.get(), type->FindFieldByName("t"), "a");
  reflection->AddMessage(request.get(), type->FindFieldByName("j"));
  FakeRpc rpc(loop_, "/tiffin.services.demo.Demo/Rows");
  service_->Start(rpc);
  rpc.Send(*request);
  loop_.Run();
  ASSERT_TRUE(rpc.finished());
  EXPECT_EQ(rpc.status->code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(rpc.status->message()), HasSubstr("input 'j' is not a JSON value"));
}

TEST_F(TypedServiceTest, BadOutputsAreInternalErrors) {
  const std::vector<std::pair<size_t, Value>> bad = {
      {0, BytesValue({"\xFF"})},
      {1, BytesValue({"{"})},
      {2, BytesValue({"two", "rows"})},
      {3, HeapValue(DataType::kFp32, {1, 3}, Raw<float>({1, 2, 3}))},
  };
  for (const auto& [index, value] : bad) {
    FakeRpc& rpc = Call("MixAll", kGood);
    std::vector<Value> outputs = {BytesValue({"yes"}), BytesValue({"1"}), BytesValue({"raw"}),
                                  HeapValue(DataType::kFp32, {1, 2}, Raw<float>({1, 2}))};
    outputs[index] = value;
    serving_.started.back().done(InferReply{.outputs = std::move(outputs), .steps = {}});
    EXPECT_EQ(rpc.status->code(), absl::StatusCode::kInternal) << index;
  }
}

TEST_F(TypedServiceTest, OtherMethodsAreLeftAlone) {
  for (const char* method : {"/tiffin.services.demo.Demo/Nope", "/tiffin.services.other.Other/Rows",
                             "/inference.GRPCInferenceService/ModelInfer"}) {
    FakeRpc rpc(loop_, method);
    EXPECT_FALSE(service_->Start(rpc));
  }
}

}  // namespace
}  // namespace tiffin::gateway::typed
