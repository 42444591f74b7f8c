#include "gateway/api/reflection/service.h"

#include "gateway/api/api.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway::reflection {
namespace {

using google::protobuf::FileDescriptorProto;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;
using ::testing::ElementsAre;
using testing::FakeRpc;
using testing::FakeServing;
using ::testing::IsEmpty;
using testing::Spec;
using testing::TestLoop;
using ::testing::UnorderedElementsAre;

// Through all protocols, as the server has them.
class ReflectionServiceTest : public ::testing::Test {
 protected:
  ReflectionServiceTest() {
    serving_.AddApi("demo", "predict", {Spec("options", "json"), Spec("x", "fp32[2]")},
                    {Spec("verdict", "text")});
    descriptors_ = *typed::Descriptors::Create(serving_.services());
    api_ = *Api::Create(serving_, *descriptors_);
    Open("v1");
  }
  void Open(const std::string& version) {
    rpc_ = std::make_unique<FakeRpc>(
        loop_, "/grpc.reflection." + version + ".ServerReflection/ServerReflectionInfo");
    ASSERT_TRUE(api_->Start(*rpc_));
  }
  ServerReflectionResponse Ask(const ServerReflectionRequest& request) {
    rpc_->Send(request);
    loop_.Run();
    return rpc_->Written<ServerReflectionResponse>().back();
  }
  ServerReflectionResponse AskForSymbol(const std::string& symbol) {
    ServerReflectionRequest request;
    request.set_file_containing_symbol(symbol);
    return Ask(request);
  }
  static std::vector<FileDescriptorProto> Files(const ServerReflectionResponse& response) {
    std::vector<FileDescriptorProto> files;
    for (const auto& bytes : response.file_descriptor_response().file_descriptor_proto()) {
      files.emplace_back().ParseFromString(bytes);
    }
    return files;
  }
  static std::vector<std::string> Names(const ServerReflectionResponse& response) {
    std::vector<std::string> names;
    for (const auto& file : Files(response)) names.push_back(file.name());
    return names;
  }

  TestLoop loop_;
  FakeServing serving_;
  std::unique_ptr<const typed::Descriptors> descriptors_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<FakeRpc> rpc_;
};

TEST_F(ReflectionServiceTest, ListsEveryService) {
  for (const char* version : {"v1", "v1alpha"}) {
    Open(version);
    ServerReflectionRequest request;
    request.set_host("example.org");
    request.set_list_services("*");
    const ServerReflectionResponse response = Ask(request);
    EXPECT_EQ(response.valid_host(), "example.org");
    EXPECT_EQ(response.original_request().list_services(), "*");
    std::vector<std::string> names;
    for (const auto& service : response.list_services_response().service()) {
      names.push_back(service.name());
    }
    EXPECT_THAT(names, ElementsAre("grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                                   "grpc.reflection.v1alpha.ServerReflection",
                                   "inference.GRPCInferenceService", "tiffin.services.demo.Demo"));
  }
}

// What a client needs to call it: each service's files build in an empty pool.
TEST_F(ReflectionServiceTest, EveryListedServiceIsDescribedWhole) {
  for (const char* name : {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                           "grpc.reflection.v1alpha.ServerReflection",
                           "inference.GRPCInferenceService", "tiffin.services.demo.Demo"}) {
    Open("v1");
    std::vector<FileDescriptorProto> files = Files(AskForSymbol(name));
    google::protobuf::DescriptorPool pool;
    for (auto file = files.rbegin(); file != files.rend(); ++file) pool.BuildFile(*file);
    EXPECT_NE(pool.FindServiceByName(name), nullptr) << name;
  }
}

TEST_F(ReflectionServiceTest, DependenciesComeWithTheFileOnceAStream) {
  EXPECT_THAT(Names(AskForSymbol("tiffin.services.demo.PredictRequest")),
              ElementsAre("tiffin/services/demo/service.proto", "google/protobuf/struct.proto",
                          "tiffin/v1/tensor.proto"));
  EXPECT_THAT(Names(AskForSymbol("tiffin.services.demo.Demo.Predict")),
              ElementsAre("tiffin/services/demo/service.proto"));
  EXPECT_THAT(Names(AskForSymbol("tiffin.v1.Tensor")), ElementsAre("tiffin/v1/tensor.proto"));
  Open("v1");
  EXPECT_THAT(Names(AskForSymbol("tiffin.services.demo.PredictReply")).size(), 3U);
}

TEST_F(ReflectionServiceTest, FindsFilesByName) {
  ServerReflectionRequest request;
  request.set_file_by_filename("inference/grpc_service.proto");
  EXPECT_THAT(Names(Ask(request)),
              ElementsAre("inference/grpc_service.proto", "inference/model_config.proto"));
}

TEST_F(ReflectionServiceTest, UnknownThingsAreNotFoundAndTheStreamGoesOn) {
  ServerReflectionRequest request;
  request.set_file_by_filename("nope.proto");
  EXPECT_EQ(Ask(request).error_response().error_code(), 5);
  EXPECT_EQ(AskForSymbol("no.Symbol").error_response().error_code(), 5);
  request.mutable_file_containing_extension()->set_containing_type("tiffin.v1.Tensor");
  request.mutable_file_containing_extension()->set_extension_number(1000);
  EXPECT_EQ(Ask(request).error_response().error_code(), 5);
  request.set_all_extension_numbers_of_type("no.Type");
  EXPECT_EQ(Ask(request).error_response().error_code(), 5);
  request.clear_message_request();
  EXPECT_EQ(Ask(request).error_response().error_code(), 3);
  EXPECT_FALSE(rpc_->finished());
}

TEST_F(ReflectionServiceTest, TypesWithoutExtensionsHaveNone) {
  ServerReflectionRequest request;
  request.set_all_extension_numbers_of_type("tiffin.services.demo.PredictRequest");
  const auto response = Ask(request).all_extension_numbers_response();
  EXPECT_EQ(response.base_type_name(), "tiffin.services.demo.PredictRequest");
  EXPECT_THAT(response.extension_number(), IsEmpty());
}

TEST_F(ReflectionServiceTest, StreamEndsWithItsClient) {
  rpc_->HalfClose();
  loop_.Run();
  EXPECT_TRUE(rpc_->status->ok());
  Open("v1alpha");
  rpc_->Cancel();
  loop_.Run();
  EXPECT_TRUE(rpc_->finished());
  Open("v1");
  rpc_->BreakConnection();
  ServerReflectionRequest request;
  request.set_list_services("");
  rpc_->Send(request);
  loop_.Run();
  EXPECT_EQ(rpc_->status->code(), absl::StatusCode::kCancelled);
}

TEST_F(ReflectionServiceTest, UnknownMethodsAreNobodys) {
  FakeRpc rpc(loop_, "/tiffin.services.demo.Demo/Nope");
  EXPECT_FALSE(api_->Start(rpc));
}

}  // namespace
}  // namespace tiffin::gateway::reflection
