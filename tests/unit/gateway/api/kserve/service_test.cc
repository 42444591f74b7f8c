#include "gateway/api/kserve/service.h"

#include <cstring>

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway::kserve {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;
using testing::BytesValue;
using testing::Content;
using ::testing::ElementsAre;
using testing::FakeRpc;
using testing::FakeServing;
using testing::Framed;
using testing::ManualClock;
using testing::Raw;
using testing::Spec;
using testing::TestLoop;

class KserveServiceTest : public ::testing::Test {
 protected:
  KserveServiceTest() {
    serving_.AddApi("demo", "predict", {Spec("input_image", "image")},
                    {Spec("verdict", "text"), Spec("scores", "fp32[2]")});
    PlannedApi& rows = serving_.AddApi("demo", "rows", {Spec("x", "fp32[2]"), Spec("t", "text")},
                                       {Spec("y", "text")});
    rows.has_rows = true;
    RunnerEntry& runner = serving_.AddRunner("demo", "model_a", {Spec("features", "fp32[64]")},
                                             {Spec("scores", "fp32[10]"), Spec("label", "text")});
    runner.signature.batchable = true;
    runner.version = 3;
    runner.backend = "xgboost";
  }

  FakeRpc& Call(const std::string& method, const google::protobuf::Message& request) {
    if (service_ == nullptr) service_ = *KserveService::Create(serving_, nullptr, clock_);
    rpcs_.emplace_back(loop_, "/inference.GRPCInferenceService/" + method);
    EXPECT_TRUE(service_->Start(rpcs_.back()));
    rpcs_.back().Send(request);
    loop_.Run();
    return rpcs_.back();
  }
  static ModelInferRequest Predict() {
    ModelInferRequest request;
    request.set_model_name("demo.predict");
    auto& input = *request.add_inputs();
    input.set_name("input_image");
    input.set_datatype("BYTES");
    input.add_shape(1);
    request.add_raw_input_contents(Framed({"png"}));
    return request;
  }
  static std::vector<Value> PredictOutputs() {
    return {BytesValue({"7 (agree)"}),
            HeapValue(DataType::kFp32, {1, 2}, Raw<float>({0.25, 0.75}))};
  }

  ManualClock clock_;
  TestLoop loop_;
  FakeServing serving_;
  std::unique_ptr<KserveService> service_;
  std::deque<FakeRpc> rpcs_;
};

TEST_F(KserveServiceTest, InferGoesThroughAndBack) {
  ModelInferRequest request = Predict();
  request.set_id("r-1");
  FakeRpc& rpc = Call("ModelInfer", request);

  ASSERT_EQ(serving_.started.size(), 1U);
  FakeServing::Started& started = serving_.started.back();
  EXPECT_EQ(std::get<const PlannedApi*>(started.target), &serving_.services()[0].apis[0]);
  EXPECT_EQ(started.rows, 1);
  EXPECT_EQ(started.options.request_id, "r-1");
  ASSERT_EQ(started.inputs.size(), 1U);
  EXPECT_EQ(started.inputs[0].shape, Shape{1});
  EXPECT_EQ(Content(started.inputs[0]), Framed({"png"}));
  EXPECT_EQ(serving_.copies, 1);

  started.done(InferReply{.outputs = PredictOutputs(), .steps = {}});
  ASSERT_TRUE(rpc.status->ok()) << *rpc.status;
  const auto response = rpc.Reply<ModelInferResponse>();
  EXPECT_EQ(response.model_name(), "demo.predict");
  EXPECT_EQ(response.model_version(), "1");
  EXPECT_EQ(response.id(), "r-1");
  ASSERT_EQ(response.outputs_size(), 2);
  EXPECT_EQ(response.outputs(0).name(), "verdict");
  EXPECT_EQ(response.outputs(0).datatype(), "BYTES");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(1));
  EXPECT_EQ(response.outputs(1).name(), "scores");
  EXPECT_EQ(response.outputs(1).datatype(), "FP32");
  EXPECT_THAT(response.outputs(1).shape(), ElementsAre(2));
  EXPECT_THAT(response.raw_output_contents(),
              ElementsAre(Framed({"7 (agree)"}), Raw<float>({0.25, 0.75})));
}

TEST_F(KserveServiceTest, OutputsComeAsRequested) {
  ModelInferRequest request = Predict();
  request.add_outputs()->set_name("scores");
  FakeRpc& rpc = Call("ModelInfer", request);
  serving_.started.back().done(InferReply{.outputs = PredictOutputs(), .steps = {}});
  const auto response = rpc.Reply<ModelInferResponse>();
  ASSERT_EQ(response.outputs_size(), 1);
  EXPECT_EQ(response.outputs(0).name(), "scores");
  EXPECT_THAT(response.raw_output_contents(), ElementsAre(Raw<float>({0.25, 0.75})));
  EXPECT_EQ(response.id(), "");
}

TEST_F(KserveServiceTest, RawContentsMayComeBeforeTheRestAndInPieces) {
  const ModelInferRequest request = Predict();
  ModelInferRequest raw;
  *raw.mutable_raw_input_contents() = request.raw_input_contents();
  ModelInferRequest head = request;
  head.clear_raw_input_contents();
  service_ = *KserveService::Create(serving_, nullptr, clock_);
  FakeRpc rpc(loop_, "/inference.GRPCInferenceService/ModelInfer");
  service_->Start(rpc);
  std::vector<grpc::Slice> slices;
  for (const char byte : raw.SerializeAsString() + head.SerializeAsString()) {
    slices.emplace_back(&byte, 1);
  }
  rpc.Send(grpc::ByteBuffer(slices.data(), slices.size()));
  loop_.Run();
  ASSERT_EQ(serving_.started.size(), 1U);
  EXPECT_EQ(Content(serving_.started.back().inputs[0]), Framed({"png"}));
  rpc.Cancel();
  loop_.Run();
}

TEST_F(KserveServiceTest, RowsArePassedOn) {
  ModelInferRequest request;
  request.set_model_name("rows");
  auto& text = *request.add_inputs();
  text.set_name("t");
  text.set_datatype("BYTES");
  text.add_shape(3);
  for (const char* element : {"a", "b", "c"}) text.mutable_contents()->add_bytes_contents(element);
  auto& x = *request.add_inputs();
  x.set_name("x");
  x.set_datatype("FP32");
  x.add_shape(3);
  x.add_shape(2);
  for (int i = 0; i < 6; ++i) x.mutable_contents()->add_fp32_contents(static_cast<float>(i));
  FakeRpc& rpc = Call("ModelInfer", request);
  ASSERT_FALSE(rpc.finished()) << *rpc.status;
  FakeServing::Started& started = serving_.started.back();
  EXPECT_EQ(started.rows, 3);
  EXPECT_EQ(started.inputs[0].shape, (Shape{3, 2}));  // In the order of the API.
  EXPECT_EQ(Content(started.inputs[1]), Framed({"a", "b", "c"}));
  started.done(InferReply{.outputs = {BytesValue({"d", "e", "f"})}, .steps = {}});
  const auto response = rpc.Reply<ModelInferResponse>();
  EXPECT_EQ(response.model_name(), "demo.rows");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(3));
  EXPECT_THAT(response.raw_output_contents(), ElementsAre(Framed({"d", "e", "f"})));
}

// Every datatype, raw in and typed in, arrives as the same bytes.
TEST_F(KserveServiceTest, TypedAndRawContentsAreTheSame) {
  inference::InferTensorContents contents;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"bool", Raw<uint8_t>({1, 0})},           {"int8", Raw<int8_t>({-128, 127})},
      {"int16", Raw<int16_t>({-32768, 5})},     {"int32", Raw<int32_t>({-7, 1 << 30})},
      {"int64", Raw<int64_t>({-1, 1LL << 60})}, {"uint8", Raw<uint8_t>({0, 255})},
      {"uint16", Raw<uint16_t>({1, 65535})},    {"uint32", Raw<uint32_t>({1, 4'000'000'000U})},
      {"uint64", Raw<uint64_t>({1, ~0ULL})},    {"fp32", Raw<float>({0.5, -2})},
      {"fp64", Raw<double>({0.1, 1e300})},      {"bytes", Framed({"", "two"})},
  };
  for (const auto& [name, raw] : cases) {
    serving_.AddRunner("kinds", "as_" + name, {Spec("x", name + "[2]")}, {});
  }
  const auto fill = [](const std::string& name, inference::InferTensorContents& typed) {
    if (name == "bool") {
      typed.add_bool_contents(true);
      typed.add_bool_contents(false);
    } else if (name == "int8" || name == "int16" || name == "int32") {
      typed.add_int_contents(name == "int8" ? -128 : name == "int16" ? -32768 : -7);
      typed.add_int_contents(name == "int8" ? 127 : name == "int16" ? 5 : 1 << 30);
    } else if (name == "int64") {
      typed.add_int64_contents(-1);
      typed.add_int64_contents(1LL << 60);
    } else if (name == "uint64") {
      typed.add_uint64_contents(1);
      typed.add_uint64_contents(~0ULL);
    } else if (name.starts_with("uint")) {
      typed.add_uint_contents(name == "uint8" ? 0 : 1);
      typed.add_uint_contents(name == "uint8" ? 255 : name == "uint16" ? 65535 : 4'000'000'000U);
    } else if (name == "fp32") {
      typed.add_fp32_contents(0.5);
      typed.add_fp32_contents(-2);
    } else if (name == "fp64") {
      typed.add_fp64_contents(0.1);
      typed.add_fp64_contents(1e300);
    } else {
      typed.add_bytes_contents("");
      typed.add_bytes_contents("two");
    }
  };
  for (const auto& [name, raw] : cases) {
    for (const bool typed : {false, true}) {
      SCOPED_TRACE(name);
      ModelInferRequest request;
      request.set_model_name("kinds.as_" + name);
      auto& input = *request.add_inputs();
      input.set_name("x");
      input.set_datatype(std::string(DataTypeName(Spec("x", name + "[2]").type.dtype)));
      input.add_shape(2);
      if (typed) {
        fill(name, *input.mutable_contents());
      } else {
        request.add_raw_input_contents(raw);
      }
      FakeRpc& rpc = Call("ModelInfer", request);
      ASSERT_FALSE(rpc.finished()) << *rpc.status;
      EXPECT_EQ(serving_.started.back().inputs[0].shape, (Shape{1, 2}));
      EXPECT_EQ(Content(serving_.started.back().inputs[0]), raw);
      rpc.Cancel();
      loop_.Run();
    }
  }
}

TEST_F(KserveServiceTest, TimeoutIsHonouredAndForeignParametersAreIgnored) {
  ModelInferRequest request = Predict();
  auto& parameters = *request.mutable_parameters();
  parameters["timeout"].set_int64_param(2500);
  parameters["sequence_id"].set_uint64_param(42);
  parameters["priority"].set_uint64_param(1);
  Call("ModelInfer", request);
  EXPECT_EQ(serving_.started.back().options.deadline, clock_.now + absl::Microseconds(2500));
}

TEST_F(KserveServiceTest, OutputsThatAreNotAsDeclaredAreInternalErrors) {
  FakeRpc& rpc = Call("ModelInfer", Predict());
  serving_.started.back().done(InferReply{.outputs = {BytesValue({"a"})}, .steps = {}});
  EXPECT_EQ(*rpc.status, absl::InternalError("output 'scores' is missing in the result"));
}

TEST_F(KserveServiceTest, MetadataOfAnApiLeavesRowsOut) {
  inference::ModelMetadataRequest request;
  request.set_name("predict");
  const auto response = Call("ModelMetadata", request).Reply<inference::ModelMetadataResponse>();
  EXPECT_EQ(response.name(), "demo.predict");
  EXPECT_EQ(response.platform(), "tiffin");
  EXPECT_THAT(response.versions(), ElementsAre("1"));
  ASSERT_EQ(response.inputs_size(), 1);
  EXPECT_EQ(response.inputs(0).name(), "input_image");
  EXPECT_EQ(response.inputs(0).datatype(), "BYTES");
  EXPECT_THAT(response.inputs(0).shape(), ElementsAre(1));
  EXPECT_THAT(response.outputs(1).shape(), ElementsAre(2));
  EXPECT_EQ(response.properties().at("input.input_image"), "image");
}

TEST_F(KserveServiceTest, MetadataOfABatchableRunnerShowsRows) {
  inference::ModelMetadataRequest request;
  request.set_name("demo.model_a");
  const auto response = Call("ModelMetadata", request).Reply<inference::ModelMetadataResponse>();
  EXPECT_EQ(response.platform(), "xgboost");
  EXPECT_THAT(response.versions(), ElementsAre("3"));
  EXPECT_THAT(response.inputs(0).shape(), ElementsAre(-1, 64));
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(-1, 10));
  EXPECT_THAT(response.outputs(1).shape(), ElementsAre(-1));
  EXPECT_EQ(response.properties().at("input.features"), "fp32[64]");
}

TEST_F(KserveServiceTest, ServerAnswersForItself) {
  EXPECT_TRUE(Call("ServerLive", inference::ServerLiveRequest())
                  .Reply<inference::ServerLiveResponse>()
                  .live());
  const auto metadata = Call("ServerMetadata", inference::ServerMetadataRequest())
                            .Reply<inference::ServerMetadataResponse>();
  EXPECT_EQ(metadata.name(), "tiffin");
  EXPECT_EQ(metadata.version(), TIFFIN_VERSION);
  EXPECT_THAT(metadata.extensions(), ElementsAre("model_configuration", "statistics"));
}

TEST_F(KserveServiceTest, ReadinessIsServings) {
  const auto server = [&] {
    return Call("ServerReady", inference::ServerReadyRequest())
        .Reply<inference::ServerReadyResponse>()
        .ready();
  };
  const auto model = [&](const std::string& name) {
    inference::ModelReadyRequest request;
    request.set_name(name);
    return Call("ModelReady", request).Reply<inference::ModelReadyResponse>().ready();
  };
  EXPECT_TRUE(server());
  EXPECT_TRUE(model("demo.predict"));
  EXPECT_TRUE(model("demo.model_a"));
  serving_.down = {"demo", "demo.model_a"};
  EXPECT_FALSE(server());
  EXPECT_FALSE(model("demo.predict"));
  EXPECT_FALSE(model("demo.model_a"));
  inference::ModelReadyRequest unknown;
  unknown.set_name("nobody");
  EXPECT_EQ(Call("ModelReady", unknown).status->code(), absl::StatusCode::kNotFound);
}

TEST_F(KserveServiceTest, TheRestOfTheProtocolIsUnimplementedByName) {
  FakeRpc& rpc = Call("TraceSetting", inference::ModelReadyRequest());
  EXPECT_EQ(*rpc.status, absl::UnimplementedError("inference.GRPCInferenceService/TraceSetting is "
                                                  "not supported by this server"));
  FakeRpc other(loop_, "/inference.OtherService/ModelInfer");
  EXPECT_FALSE(service_->Start(other));
}

TEST_F(KserveServiceTest, LoadingIsUnimplementedForAReason) {
  for (const char* method : {"RepositoryModelLoad", "RepositoryModelUnload"}) {
    FakeRpc& rpc = Call(method, inference::RepositoryIndexRequest());
    EXPECT_EQ(rpc.status->code(), absl::StatusCode::kUnimplemented);
    EXPECT_THAT(std::string(rpc.status->message()),
                ::testing::AllOf(::testing::HasSubstr(method),
                                 ::testing::HasSubstr("start the server again")));
  }
}

TEST_F(KserveServiceTest, IndexListsAllModelsWithTheirState) {
  serving_.down = {"demo.model_a"};
  inference::RepositoryIndexRequest request;
  auto response = Call("RepositoryIndex", request).Reply<inference::RepositoryIndexResponse>();
  ASSERT_EQ(response.models_size(), 3);
  EXPECT_EQ(response.models(0).name(), "demo.model_a");
  EXPECT_EQ(response.models(0).version(), "3");
  EXPECT_EQ(response.models(0).state(), "UNAVAILABLE");
  EXPECT_NE(response.models(0).reason(), "");
  EXPECT_EQ(response.models(1).name(), "demo.predict");
  EXPECT_EQ(response.models(1).state(), "READY");
  EXPECT_EQ(response.models(1).reason(), "");
  request.set_ready(true);
  response = Call("RepositoryIndex", request).Reply<inference::RepositoryIndexResponse>();
  EXPECT_EQ(response.models_size(), 2);
  request.set_repository_name("elsewhere");
  EXPECT_EQ(Call("RepositoryIndex", request).status->code(), absl::StatusCode::kNotFound);
}

TEST_F(KserveServiceTest, StatisticsAreOfOneModelOrOfAll) {
  serving_.counted["demo.model_a"].executions = 7;
  inference::ModelStatisticsRequest request;
  auto response = Call("ModelStatistics", request).Reply<inference::ModelStatisticsResponse>();
  EXPECT_EQ(response.model_stats_size(), 3);
  request.set_name("model_a");
  response = Call("ModelStatistics", request).Reply<inference::ModelStatisticsResponse>();
  ASSERT_EQ(response.model_stats_size(), 1);
  EXPECT_EQ(response.model_stats(0).name(), "demo.model_a");
  EXPECT_EQ(response.model_stats(0).version(), "3");
  EXPECT_EQ(response.model_stats(0).execution_count(), 7U);
  request.set_version("4");
  EXPECT_EQ(Call("ModelStatistics", request).status->code(), absl::StatusCode::kNotFound);
}

TEST_F(KserveServiceTest, ConfigIsFoundLikeMetadata) {
  inference::ModelConfigRequest request;
  request.set_name("model_a");
  const auto config = Call("ModelConfig", request).Reply<inference::ModelConfigResponse>().config();
  EXPECT_EQ(config.name(), "demo.model_a");
  request.set_name("nobody");
  EXPECT_EQ(Call("ModelConfig", request).status->code(), absl::StatusCode::kNotFound);
}

TEST_F(KserveServiceTest, ParametersComeBackWithTheReply) {
  ModelInferRequest request = Predict();
  (*request.mutable_parameters())["mine"].set_string_param("kept");
  FakeRpc& plain = Call("ModelInfer", request);
  serving_.started.back().done(InferReply{.outputs = PredictOutputs(), .steps = {}});
  const auto response = plain.Reply<ModelInferResponse>();
  ASSERT_EQ(response.parameters_size(), 1);
  EXPECT_EQ(response.parameters().at("mine").string_param(), "kept");

  (*request.mutable_parameters())["triton_enable_empty_final_response"].set_bool_param(true);
  FakeRpc& marked = Call("ModelInfer", request);
  serving_.started.back().done(InferReply{.outputs = PredictOutputs(), .steps = {}});
  EXPECT_TRUE(
      marked.Reply<ModelInferResponse>().parameters().at("triton_final_response").bool_param());
}

TEST_F(KserveServiceTest, CallsWithoutAMessageAreRefused) {
  service_ = *KserveService::Create(serving_, nullptr, clock_);
  FakeRpc rpc(loop_, "/inference.GRPCInferenceService/ServerLive");
  service_->Start(rpc);
  rpc.HalfClose();
  loop_.Run();
  EXPECT_EQ(rpc.status->code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tiffin::gateway::kserve
