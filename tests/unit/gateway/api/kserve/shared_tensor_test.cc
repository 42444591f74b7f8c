#include "gateway/api/kserve/shared_tensor.h"

#include <deque>
#include <limits>
#include <vector>

#include "common/strings.h"
#include "gateway/api/kserve/service.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/fakes.h"
#include "tests/unit/gateway/api/kserve/bad_request.h"
#include "tests/unit/gateway/api/kserve/shared_files.h"

// Requests whose tensors lie in shared memory.
namespace tiffin::gateway::kserve {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;
using testing::BadRequest;
using testing::Content;
using ::testing::ElementsAre;
using testing::FakeRpc;
using testing::FakeServing;
using testing::Framed;
using ::testing::HasSubstr;
using testing::OpenDescriptors;
using testing::Raw;
using testing::SharedFiles;
using testing::Spec;
using testing::TestLoop;

class SharedTensorTest : public ::testing::Test {
 protected:
  SharedTensorTest() {
    serving_.AddApi("demo", "score", {Spec("x", "fp32[4]"), Spec("t", "text")},
                    {Spec("y", "fp32[4]"), Spec("s", "text")});
    serving_.AddApi("demo", "any", {Spec("x", "uint8[-1]")}, {Spec("y", "uint8[-1]")});
    service_ = *KserveService::Create(serving_, memory_.get());
    files_.Write("inputs", "skip" + Raw<float>({1, 2, 3, 4}) + Framed({"text"}));
    files_.Write("outputs", std::string(100, '.'));
    EXPECT_TRUE(
        memory_->Register({.name = "in", .key = "/inputs", .offset = 4, .byte_size = 24}).ok());
    EXPECT_TRUE(
        memory_->Register({.name = "out", .key = "/outputs", .offset = 10, .byte_size = 60}).ok());
  }

  template <typename Tensor>
  static void Share(Tensor& tensor, const std::string& region, int64_t byte_size,
                    int64_t offset = 0) {
    auto& parameters = *tensor.mutable_parameters();
    parameters["shared_memory_region"].set_string_param(region);
    parameters["shared_memory_byte_size"].set_int64_param(byte_size);
    if (offset != 0) parameters["shared_memory_offset"].set_int64_param(offset);
  }
  static ModelInferRequest::InferInputTensor& AddInput(ModelInferRequest& request,
                                                       const std::string& name,
                                                       const std::string& datatype, int64_t size) {
    auto& input = *request.add_inputs();
    input.set_name(name);
    input.set_datatype(datatype);
    input.add_shape(size);
    return input;
  }
  static ModelInferRequest::InferRequestedOutputTensor& AddOutput(ModelInferRequest& request,
                                                                  const std::string& name) {
    auto& output = *request.add_outputs();
    output.set_name(name);
    return output;
  }
  // Good as it is: all in shared memory.
  static ModelInferRequest Good() {
    ModelInferRequest request;
    request.set_model_name("demo.score");
    Share(AddInput(request, "x", "FP32", 4), "in", 16);
    Share(AddInput(request, "t", "BYTES", 1), "in", 8, 16);
    Share(AddOutput(request, "s"), "out", 20);
    Share(AddOutput(request, "y"), "out", 16, 30);
    return request;
  }

  FakeRpc& Send(const ModelInferRequest& request) {
    rpcs_.emplace_back(loop_, "/inference.GRPCInferenceService/ModelInfer");
    EXPECT_TRUE(service_->Start(rpcs_.back()));
    rpcs_.back().Send(request);
    loop_.Run();
    return rpcs_.back();
  }
  void Answer() {
    serving_.started.back().done(
        InferReply{.outputs = {HeapValue(DataType::kFp32, {1, 4}, Raw<float>({5, 6, 7, 8})),
                               testing::BytesValue({"done"})},
                   .steps = {}});
  }
  absl::Status SendAndAnswer(const ModelInferRequest& request) {
    FakeRpc& rpc = Send(request);
    if (!rpc.finished()) Answer();
    return *rpc.status;
  }

  SharedFiles files_;
  TestLoop loop_;
  FakeServing serving_;
  std::unique_ptr<SharedMemory> memory_ = *SharedMemory::Create({.directory = files_.path()});
  std::unique_ptr<KserveService> service_;
  std::deque<FakeRpc> rpcs_;
};

TEST_F(SharedTensorTest, InputsAreReadAndOutputsWritten) {
  FakeRpc& rpc = Send(Good());
  ASSERT_EQ(serving_.started.size(), 1U) << *rpc.status;
  EXPECT_EQ(Content(serving_.started[0].inputs[0]), Raw<float>({1, 2, 3, 4}));
  EXPECT_EQ(Content(serving_.started[0].inputs[1]), Framed({"text"}));
  EXPECT_EQ(serving_.copies, 2);

  Answer();
  ASSERT_TRUE(rpc.status->ok()) << *rpc.status;
  EXPECT_EQ(files_.Read("outputs"), std::string(10, '.') + Framed({"done"}) + std::string(22, '.') +
                                        Raw<float>({5, 6, 7, 8}) + std::string(44, '.'));
  const auto response = rpc.Reply<ModelInferResponse>();
  ASSERT_EQ(response.outputs_size(), 2);
  EXPECT_EQ(response.outputs(0).name(), "s");
  EXPECT_EQ(response.outputs(0).datatype(), "BYTES");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(1));
  const auto& text = response.outputs(0).parameters();
  EXPECT_EQ(text.at("shared_memory_region").string_param(), "out");
  EXPECT_EQ(text.at("shared_memory_byte_size").int64_param(), 8);
  EXPECT_FALSE(text.contains("shared_memory_offset"));
  const auto& numbers = response.outputs(1).parameters();
  EXPECT_EQ(numbers.at("shared_memory_byte_size").int64_param(), 16);
  EXPECT_EQ(numbers.at("shared_memory_offset").int64_param(), 30);
  EXPECT_THAT(response.raw_output_contents(), ElementsAre("", ""));
}

TEST_F(SharedTensorTest, MessageAndSharedMemoryMayBeMixed) {
  ModelInferRequest request = Good();
  request.mutable_inputs(0)->clear_parameters();
  request.add_raw_input_contents(Raw<float>({9, 9, 9, 9}));
  request.mutable_outputs(1)->clear_parameters();
  FakeRpc& raw = Send(request);
  ASSERT_EQ(serving_.started.size(), 1U) << *raw.status;
  EXPECT_EQ(Content(serving_.started[0].inputs[0]), Raw<float>({9, 9, 9, 9}));
  EXPECT_EQ(Content(serving_.started[0].inputs[1]), Framed({"text"}));
  Answer();
  EXPECT_THAT(raw.Reply<ModelInferResponse>().raw_output_contents(),
              ElementsAre("", Raw<float>({5, 6, 7, 8})));

  request.clear_raw_input_contents();
  for (int i = 0; i < 4; ++i) request.mutable_inputs(0)->mutable_contents()->add_fp32_contents(8);
  FakeRpc& typed = Send(request);
  ASSERT_EQ(serving_.started.size(), 2U) << *typed.status;
  EXPECT_EQ(Content(serving_.started[1].inputs[0]), Raw<float>({8, 8, 8, 8}));
}

TEST_F(SharedTensorTest, UnregisteringLeavesRequestsUnderWayAlone) {
  const size_t registered = OpenDescriptors();
  FakeRpc& rpc = Send(Good());
  memory_->UnregisterAll();
  EXPECT_EQ(OpenDescriptors(), registered - 1) << "the inputs' is not needed any more";
  Answer();
  EXPECT_TRUE(rpc.status->ok()) << *rpc.status;
  EXPECT_EQ(files_.Read("outputs").substr(10, 8), Framed({"done"}));
  EXPECT_EQ(OpenDescriptors(), registered - 2);
  EXPECT_EQ(Send(Good()).status->code(), absl::StatusCode::kNotFound);
}

TEST_F(SharedTensorTest, AFileThatIsCutMeanwhileIsAnErrorOfItsRequest) {
  FakeRpc& rpc = Send(Good());
  files_.Resize("outputs", 20);
  Answer();
  EXPECT_EQ(rpc.status->code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(*rpc.status), HasSubstr("output 'y': shared memory region 'out': the file "
                                              "'/outputs' has become too short"));
  EXPECT_EQ(files_.Read("outputs").size(), 20U);

  files_.Resize("inputs", 10);
  EXPECT_THAT(Message(*Send(Good()).status),
              HasSubstr("input 'x': shared memory region 'in': the file '/inputs' has become"));
  EXPECT_EQ(serving_.started.size(), 1U);
}

TEST_F(SharedTensorTest, WhatIsCancelledIsNotWritten) {
  FakeRpc& rpc = Send(Good());
  rpc.Cancel();
  loop_.Run();
  EXPECT_EQ(rpc.status->code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(files_.Read("outputs"), std::string(100, '.'));
}

TEST_F(SharedTensorTest, InputsTogetherAreNoLargerThanAMessage) {
  constexpr uint64_t kLimit = uint64_t{256} << 20;
  files_.Write("large", "");
  files_.Resize("large", kLimit + 1);
  ASSERT_TRUE(
      memory_->Register({.name = "large", .key = "/large", .offset = 0, .byte_size = kLimit + 1})
          .ok());
  ModelInferRequest request;
  request.set_model_name("demo.any");
  Share(AddInput(request, "x", "UINT8", kLimit + 1), "large", kLimit + 1);
  EXPECT_THAT(Message(*Send(request).status),
              HasSubstr("input 'x': the request has more than 268435456 bytes in shared memory"));
  EXPECT_EQ(serving_.copies, 0);
}

class BadSharedTensorTest : public SharedTensorTest,
                            public ::testing::WithParamInterface<BadRequest> {};

inference::InferParameter& OfInput(ModelInferRequest& request, const char* name) {
  return (*request.mutable_inputs(0)->mutable_parameters())[name];
}
inference::InferParameter& OfOutput(ModelInferRequest& request, const char* name) {
  return (*request.mutable_outputs(0)->mutable_parameters())[name];
}

constexpr char kRegion[] = "shared_memory_region";
constexpr char kByteSize[] = "shared_memory_byte_size";
constexpr char kOffset[] = "shared_memory_offset";
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

std::vector<BadRequest> BadRequests() {
  return {
      {"UnknownRegion", [](auto& r) { OfInput(r, kRegion).set_string_param("nobody"); },
       "Unable to find shared memory region: 'nobody'", absl::StatusCode::kNotFound},
      {"UnknownRegionOfAnOutput", [](auto& r) { OfOutput(r, kRegion).set_string_param("nobody"); },
       "Unable to find shared memory region: 'nobody'", absl::StatusCode::kNotFound},
      {"RegionOfAnotherType", [](auto& r) { OfInput(r, kRegion).set_int64_param(1); },
       "input 'x': the parameter 'shared_memory_region' must be a region's name"},
      {"NoByteSize", [](auto& r) { r.mutable_inputs(0)->mutable_parameters()->erase(kByteSize); },
       "input 'x' has the parameter 'shared_memory_region', but no 'shared_memory_byte_size'"},
      {"ByteSizeOfAnotherType", [](auto& r) { OfInput(r, kByteSize).set_string_param("16"); },
       "input 'x': the parameter 'shared_memory_byte_size' must be a number of bytes"},
      {"NegativeByteSize", [](auto& r) { OfInput(r, kByteSize).set_int64_param(-1); },
       "input 'x': the parameter 'shared_memory_byte_size' must be a number of bytes"},
      {"NegativeOffset", [](auto& r) { OfOutput(r, kOffset).set_int64_param(-32); },
       "output 's': the parameter 'shared_memory_offset' must be a number of bytes"},
      {"ByteSizeWithoutRegion",
       [](auto& r) { r.mutable_outputs(0)->mutable_parameters()->erase(kRegion); },
       "output 's' has the parameter 'shared_memory_byte_size', but no 'shared_memory_region'"},
      {"OffsetWithoutRegion",
       [](auto& r) {
         r.mutable_outputs(1)->mutable_parameters()->erase(kRegion);
         r.mutable_outputs(1)->mutable_parameters()->erase(kByteSize);
       },
       "output 'y' has the parameter 'shared_memory_offset', but no 'shared_memory_region'"},
      {"OffsetPastTheRegion", [](auto& r) { OfInput(r, kOffset).set_int64_param(24); },
       "input 'x': Invalid offset for shared memory region: 'in'"},
      {"EndPastTheRegion", [](auto& r) { OfInput(r, kOffset).set_int64_param(9); },
       "input 'x': Invalid offset + byte size for shared memory region: 'in'"},
      {"OverflowingEnd",
       [](auto& r) {
         OfOutput(r, kOffset).set_int64_param(8);
         OfOutput(r, kByteSize).set_int64_param(kMax);
       },
       "output 's': Invalid offset + byte size for shared memory region: 'out'"},
      {"OverflowingOffset", [](auto& r) { OfOutput(r, kOffset).set_int64_param(kMax); },
       "output 's': Invalid offset for shared memory region: 'out'"},
      {"TooManyBytes", [](auto& r) { OfInput(r, kByteSize).set_int64_param(20); },
       "input 'x': FP32 of shape [4] needs 16 bytes, but there are 20"},
      {"TooFewBytes", [](auto& r) { OfInput(r, kByteSize).set_int64_param(12); },
       "input 'x': FP32 of shape [4] needs 16 bytes, but there are 12"},
      {"BadFraming",
       [](auto& r) { (*r.mutable_inputs(1)->mutable_parameters())[kOffset].set_int64_param(15); },
       "input 't': "},
      {"RawToo",
       [](auto& r) {
         r.add_raw_input_contents(Raw<float>({1, 2, 3, 4}));
         r.add_raw_input_contents(Framed({"text"}));
       },
       "the request has 2 raw_input_contents for 0 inputs that are not in shared memory"},
      {"TypedToo", [](auto& r) { r.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1); },
       "input 'x' has typed contents, but lies in shared memory"},
      {"WrongShape", [](auto& r) { r.mutable_inputs(0)->set_shape(0, 5); },
       "input 'x' has shape [5], expected [4]"},
      {"OutputTooLarge", [](auto& r) { OfOutput(r, kByteSize).set_int64_param(7); },
       "shared memory size specified with the request for output 's' (7 bytes) should be at least "
       "8 bytes to hold the results"},
  };
}

TEST_P(BadSharedTensorTest, IsRefusedAndLeavesNothingBehind) {
  const size_t descriptors = OpenDescriptors();
  ModelInferRequest request = Good();
  GetParam().spoil(request);
  const absl::Status status = SendAndAnswer(request);
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
  EXPECT_EQ(files_.Read("outputs"), std::string(100, '.'));
  EXPECT_EQ(OpenDescriptors(), descriptors);
  // The next one is served.
  EXPECT_TRUE(SendAndAnswer(Good()).ok());
}

INSTANTIATE_TEST_SUITE_P(Table, BadSharedTensorTest, ::testing::ValuesIn(BadRequests()),
                         [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace tiffin::gateway::kserve
