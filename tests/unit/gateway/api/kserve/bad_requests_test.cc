#include <string>
#include <vector>

#include "gateway/api/kserve/service.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/fakes.h"
#include "tests/unit/gateway/api/kserve/bad_request.h"

// Every request that ModelInfer must refuse, with its code and its message.
namespace tiffin::gateway::kserve {
namespace {

using inference::ModelInferRequest;
using testing::BadRequest;
using testing::FakeRpc;
using testing::FakeServing;
using testing::Framed;
using ::testing::HasSubstr;
using testing::Raw;
using testing::Spec;
using testing::TestLoop;

ModelInferRequest::InferInputTensor& AddInput(ModelInferRequest& request, const std::string& name,
                                              const std::string& datatype,
                                              const std::vector<int64_t>& shape) {
  auto& input = *request.add_inputs();
  input.set_name(name);
  input.set_datatype(datatype);
  for (const int64_t size : shape) input.add_shape(size);
  return input;
}

void SetShape(ModelInferRequest& request, const std::vector<int64_t>& shape) {
  request.mutable_inputs(0)->clear_shape();
  for (const int64_t size : shape) request.mutable_inputs(0)->add_shape(size);
}

// One input of another model, raw.
void Only(ModelInferRequest& request, const std::string& model, const std::string& datatype,
          const std::vector<int64_t>& shape, const std::string& raw) {
  request.Clear();
  request.set_model_name(model);
  AddInput(request, "x", datatype, shape);
  request.add_raw_input_contents(raw);
}

// The contents of the good request, as typed ones.
void MakeTyped(ModelInferRequest& request) {
  request.clear_raw_input_contents();
  for (const float element : {1.F, 2.F, 3.F, 4.F}) {
    request.mutable_inputs(0)->mutable_contents()->add_fp32_contents(element);
  }
  for (const int element : {5, 6}) {
    request.mutable_inputs(1)->mutable_contents()->add_int_contents(element);
  }
}

class BadRequestTest : public ::testing::TestWithParam<BadRequest> {
 protected:
  BadRequestTest() {
    serving_.AddApi("demo", "score", {Spec("x", "fp32[4]"), Spec("y", "int32[-1]")},
                    {Spec("z", "fp32[2]")});
    serving_.AddApi("demo", "read", {Spec("x", "text")}, {Spec("z", "text")});
    serving_.AddApi("demo", "parse", {Spec("x", "json")}, {Spec("z", "json")});
    serving_.AddApi("demo", "names", {Spec("x", "bytes[-1]")}, {Spec("z", "bytes[-1]")});
    serving_.AddApi("demo", "flag", {Spec("x", "fp64[-1,-1,-1]")}, {});
    PlannedApi& rows =
        serving_.AddApi("demo", "rows", {Spec("x", "fp32[2]"), Spec("y", "text")}, {});
    rows.has_rows = true;
    serving_.AddApi("demo", "halves", {Spec("x", "fp16[2]")}, {});
    serving_.AddApi("demo", "small", {Spec("x", "int8[2]")}, {});
    serving_.AddRunner("demo", "model_a", {Spec("x", "fp32[2]")}, {Spec("z", "fp32[2]")})
        .signature.batchable = true;
    service_ = *KserveService::Create(serving_);
  }

  // Good as it is.
  static ModelInferRequest Good() {
    ModelInferRequest request;
    request.set_model_name("demo.score");
    AddInput(request, "x", "FP32", {4});
    AddInput(request, "y", "INT32", {2});
    request.add_raw_input_contents(Raw<float>({1, 2, 3, 4}));
    request.add_raw_input_contents(Raw<int32_t>({5, 6}));
    return request;
  }

  absl::Status Send(const ModelInferRequest& request) {
    FakeRpc rpc(loop_, "/inference.GRPCInferenceService/ModelInfer");
    EXPECT_TRUE(service_->Start(rpc));
    rpc.Send(request);
    loop_.Run();
    if (!rpc.finished()) {
      serving_.started.back().done(InferReply{
          .outputs = {HeapValue(DataType::kFp32, {1, 2}, Raw<float>({1, 2}))}, .steps = {}});
    }
    return *rpc.status;
  }

  TestLoop loop_;
  FakeServing serving_;
  std::unique_ptr<KserveService> service_;
};

std::vector<BadRequest> BadRequests() {
  return {
      {"UnknownModel", [](auto& r) { r.set_model_name("demo.scroe"); },
       "there is no model 'demo.scroe'; this server has demo.flag", absl::StatusCode::kNotFound},
      {"NoModel", [](auto& r) { r.clear_model_name(); }, "there is no model ''",
       absl::StatusCode::kNotFound},
      {"UnknownVersion", [](auto& r) { r.set_model_version("2"); },
       "model 'demo.score' has no version '2'; it has version 1", absl::StatusCode::kNotFound},
      {"UnknownInput", [](auto& r) { r.mutable_inputs(0)->set_name("w"); },
       "'demo.score' has no input 'w'; it takes x, y"},
      {"SurplusInput",
       [](auto& r) {
         AddInput(r, "w", "FP32", {1});
         r.add_raw_input_contents("1234");
       },
       "'demo.score' has no input 'w'"},
      {"DuplicateInput",
       [](auto& r) {
         AddInput(r, "x", "FP32", {4});
         r.add_raw_input_contents(Raw<float>({1, 2, 3, 4}));
       },
       "input 'x' is given twice"},
      {"MissingInput",
       [](auto& r) {
         r.mutable_inputs()->RemoveLast();
         r.mutable_raw_input_contents()->RemoveLast();
       },
       "input 'y' of 'demo.score' is missing; it is int32[-1]"},
      {"NoInputs",
       [](auto& r) {
         r.clear_inputs();
         r.clear_raw_input_contents();
       },
       "input 'x' of 'demo.score' is missing; it is fp32[4]"},
      {"WrongDatatype", [](auto& r) { r.mutable_inputs(0)->set_datatype("INT32"); },
       "input 'x' has datatype 'INT32', expected FP32"},
      {"UnknownDatatype", [](auto& r) { r.mutable_inputs(0)->set_datatype("FLOAT"); },
       "input 'x' has datatype 'FLOAT', expected FP32"},
      {"WrongSize", [](auto& r) { SetShape(r, {5}); }, "input 'x' has shape [5], expected [4]"},
      {"WrongRank",
       [](auto& r) {
         SetShape(r, {1, 4});
       },
       "input 'x' has shape [1,4], expected [4]"},
      {"NegativeSize", [](auto& r) { r.mutable_inputs(1)->set_shape(0, -1); },
       "input 'y': shape [-1] has the negative dimension -1"},
      {"OverflowingShape",
       [](auto& r) {
         Only(r, "demo.flag", "FP64", {1LL << 31, 1LL << 31, 4}, "");
       },
       "input 'x': shape [2147483648,2147483648,4] has more than 2^63-1 elements"},
      {"OverflowingSize",
       [](auto& r) {
         Only(r, "demo.flag", "FP64", {1LL << 31, 1LL << 29, 1}, "");
       },
       "needs 9223372036854775808 bytes, but there are 0"},
      {"OverflowingBytes",
       [](auto& r) {
         Only(r, "demo.flag", "FP64", {1LL << 31, 1LL << 31, 1}, "");
       },
       "input 'x': FP64 of shape [2147483648,2147483648,1] has more than 2^64-1 bytes"},
      {"OverflowingTypedShape",
       [](auto& r) {
         Only(r, "demo.flag", "FP64", {1LL << 31, 1LL << 31, 4}, "");
         r.clear_raw_input_contents();
       },
       "has more than 2^63-1 elements"},
      {"RawTooShort", [](auto& r) { r.set_raw_input_contents(0, "123"); },
       "input 'x': FP32 of shape [4] needs 16 bytes, but there are 3"},
      {"RawTooLong", [](auto& r) { r.set_raw_input_contents(0, std::string(20, 'x')); },
       "input 'x': FP32 of shape [4] needs 16 bytes, but there are 20"},
      {"SurplusRaw", [](auto& r) { r.add_raw_input_contents("1234"); },
       "the request has 3 raw_input_contents for 2 inputs; it needs one for each"},
      {"TooFewRaw", [](auto& r) { r.mutable_raw_input_contents()->RemoveLast(); },
       "the request has 1 raw_input_contents for 2 inputs"},
      {"RawAndTyped", [](auto& r) { r.mutable_inputs(1)->mutable_contents()->add_int_contents(1); },
       "input 'y' has typed contents in a request with raw_input_contents; use one of the two"},
      {"TypedOfTheWrongKind",
       [](auto& r) {
         MakeTyped(r);
         r.mutable_inputs(0)->mutable_contents()->add_fp64_contents(1);
       },
       "input 'x': FP32 elements belong in fp32_contents, not in fp64_contents"},
      {"TypedTooFew",
       [](auto& r) {
         MakeTyped(r);
         r.mutable_inputs(0)->mutable_contents()->mutable_fp32_contents()->RemoveLast();
       },
       "input 'x': the shape needs 4 elements, but fp32_contents has 3"},
      {"TypedTooMany",
       [](auto& r) {
         MakeTyped(r);
         r.mutable_inputs(0)->mutable_contents()->add_fp32_contents(5);
       },
       "input 'x': the shape needs 4 elements, but fp32_contents has 5"},
      {"NoContents",
       [](auto& r) {
         MakeTyped(r);
         r.mutable_inputs(1)->clear_contents();
       },
       "input 'y': the shape needs 2 elements, but int_contents has 0"},
      {"TypedOutOfRange",
       [](auto& r) {
         Only(r, "demo.small", "INT8", {2}, "");
         r.clear_raw_input_contents();
         r.mutable_inputs(0)->mutable_contents()->add_int_contents(1);
         r.mutable_inputs(0)->mutable_contents()->add_int_contents(300);
       },
       "input 'x': the element 300 does not fit INT8"},
      {"TypedHalves",
       [](auto& r) {
         Only(r, "demo.halves", "FP16", {2}, "");
         r.clear_raw_input_contents();
         r.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1);
       },
       "input 'x': FP16 has no typed contents; send it in the request's raw_input_contents"},
      {"BytesLengthTooLong",
       [](auto& r) { Only(r, "demo.names", "BYTES", {1}, std::string("\x05\0\0\0abc", 7)); },
       "input 'x': BYTES element 0 has the length 5, but only 3 bytes follow"},
      {"BytesLengthCutOff",
       [](auto& r) { Only(r, "demo.names", "BYTES", {2}, Framed({"a"}) + "\x01"); },
       "input 'x': BYTES element 1"},
      {"BytesLengthHuge", [](auto& r) { Only(r, "demo.names", "BYTES", {1}, "\xFF\xFF\xFF\xFFx"); },
       "input 'x': BYTES element 0 has the length 4294967295"},
      {"BytesTooFewElements",
       [](auto& r) {
         Only(r, "demo.names", "BYTES", {3}, Framed({"a", "b"}));
       },
       "input 'x': BYTES of shape [3] needs 3 elements, but there are 2"},
      {"BytesTooManyElements",
       [](auto& r) {
         Only(r, "demo.names", "BYTES", {1}, Framed({"a", "b"}));
       },
       "input 'x': BYTES of shape [1] needs 1 elements, but there are 2"},
      {"TextOfManyElements",
       [](auto& r) {
         Only(r, "demo.read", "BYTES", {2}, Framed({"a", "b"}));
       },
       "input 'x' has shape [2], expected [1]"},
      {"TextNotUtf8", [](auto& r) { Only(r, "demo.read", "BYTES", {1}, Framed({"a\xFF"})); },
       "input 'x' is text, but not valid UTF-8"},
      {"JsonBroken", [](auto& r) { Only(r, "demo.parse", "BYTES", {1}, Framed({"{\"a\": "})); },
       "input 'x' is json, but does not parse as JSON"},
      {"RowsDiffer",
       [](auto& r) {
         Only(r, "demo.rows", "FP32", {2, 2}, Raw<float>({1, 2, 3, 4}));
         AddInput(r, "y", "BYTES", {1});
         r.add_raw_input_contents(Framed({"a"}));
       },
       "input 'y' has 1 rows, but 'x' has 2; all need the same"},
      {"NoRows",
       [](auto& r) {
         Only(r, "demo.model_a", "FP32", {0, 2}, "");
       },
       "input 'x' has shape [0,2]: no rows; send at least one"},
      {"RunnerWithoutRows",
       [](auto& r) {
         Only(r, "demo.model_a", "FP32", {2}, Raw<float>({1, 2}));
       },
       "input 'x' has shape [2], expected [-1,2]"},
      {"UnknownOutput", [](auto& r) { r.add_outputs()->set_name("q"); },
       "'demo.score' has no output 'q'; it has z"},
      {"DuplicateOutput",
       [](auto& r) {
         r.add_outputs()->set_name("z");
         r.add_outputs()->set_name("z");
       },
       "output 'z' is requested twice"},
      {"NegativeTimeout", [](auto& r) { (*r.mutable_parameters())["timeout"].set_int64_param(-1); },
       "the parameter 'timeout' must be a number of microseconds"},
      {"TimeoutOfAnotherType",
       [](auto& r) { (*r.mutable_parameters())["timeout"].set_string_param("10ms"); },
       "the parameter 'timeout' must be a number of microseconds"},
      {"SharedMemoryInput",
       [](auto& r) {
         (*r.mutable_inputs(0)->mutable_parameters())["shared_memory_region"].set_string_param("a");
       },
       "input 'x' has the parameter 'shared_memory_region', but this server does not share "
       "clients' memory; start it with 'tiffin serve --client-shared-memory'"},
      {"SharedMemoryOutput",
       [](auto& r) {
         auto& output = *r.add_outputs();
         output.set_name("z");
         (*output.mutable_parameters())["shared_memory_region"].set_string_param("a");
       },
       "output 'z' has the parameter 'shared_memory_region', but this server does not share"},
      {"Classification",
       [](auto& r) {
         auto& output = *r.add_outputs();
         output.set_name("z");
         (*output.mutable_parameters())["classification"].set_int64_param(3);
       },
       "output 'z' has the parameter 'classification', which this server does not support"},
  };
}

TEST_P(BadRequestTest, IsRefusedAndNeverStarts) {
  ModelInferRequest request = Good();
  GetParam().spoil(request);
  const absl::Status status = Send(request);
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
  EXPECT_TRUE(serving_.started.empty());
  // The next one is served.
  EXPECT_TRUE(Send(Good()).ok());
}

INSTANTIATE_TEST_SUITE_P(Table, BadRequestTest, ::testing::ValuesIn(BadRequests()),
                         [](const auto& param_info) { return param_info.param.name; });

TEST_F(BadRequestTest, TypedContentsAreGoodToo) {
  ModelInferRequest request = Good();
  MakeTyped(request);
  EXPECT_TRUE(Send(request).ok());
}

TEST_F(BadRequestTest, BytesThatAreNoMessageAreRefused) {
  for (const std::string& bytes : {std::string("\xFF\xFF\xFF"),
                                   std::string("\x3A\x7F"
                                               "abc"),
                                   std::string("\x0A\x05"
                                               "ab"),
                                   std::string("\0", 1), std::string("\x3A\xFF\xFF\xFF\xFF\x0F"),
                                   std::string("\x0A\x02\xFF\xFF")}) {
    FakeRpc rpc(loop_, "/inference.GRPCInferenceService/ModelInfer");
    service_->Start(rpc);
    const grpc::Slice slice(bytes);
    rpc.Send(grpc::ByteBuffer(&slice, 1));
    loop_.Run();
    EXPECT_EQ(rpc.status->code(), absl::StatusCode::kInvalidArgument)
        << ::testing::PrintToString(bytes);
    EXPECT_TRUE(rpc.trailing.contains("x-request-id"));
  }
}

TEST_F(BadRequestTest, FullMemoryIsPassedOn) {
  serving_.copy_status = absl::ResourceExhaustedError("1 GiB in flight");
  EXPECT_EQ(Send(Good()), serving_.copy_status);
}

}  // namespace
}  // namespace tiffin::gateway::kserve
