#include "gateway/api/http/kserve_routes.h"

#include <tuple>

#include "common/strings.h"
#include "gateway/api/http/json_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/gateway/api/fakes.h"
#include "tests/unit/gateway/api/http/service_fixture.h"

namespace tiffin::gateway::http {
namespace {

using nlohmann::json;
using testing::Content;
using testing::Framed;
using ::testing::HasSubstr;
using testing::Raw;
using testing::Spec;

class KserveRoutesTest : public ServiceFixture {
 protected:
  KserveRoutesTest() {
    serving_.AddApi("demo", "see", {Spec("image", "image")}, {Spec("verdict", "text")});
    serving_.AddApi("demo", "half", {Spec("x", "fp16[2]")}, {Spec("y", "fp16[2]")});
    RunnerEntry& runner =
        serving_.AddRunner("demo", "model_a", {Spec("x", "fp32[2]"), Spec("words", "bytes[1]")},
                           {Spec("y", "fp32[2]"), Spec("label", "bytes[1]")});
    runner.signature.batchable = true;
    runner.version = 3;
    runner.backend = "xgboost";
    Start();
  }

  void Ask(const std::string& method, const std::string& target, std::string body = "",
           std::vector<Field> fields = {}) {
    ServiceFixture::Ask(
        {.method = method, .target = target, .fields = std::move(fields), .body = std::move(body)});
  }
  json Get(const std::string& target) {
    Ask("GET", target);
    return json::parse(response_->body);
  }
  // To model_a, as JSON and what follows it.
  void Infer(const std::string& text, const std::string& binary = "") {
    Ask("POST", "/v2/models/demo.model_a/infer", text + binary,
        {{"inference-header-content-length", StrCat(text.size())}});
  }
  static Value Label(const std::string& text) {
    return HeapValue(DataType::kBytes, Shape{1, 1}, Framed({text}));
  }
  static std::vector<Value> Outputs() {
    return {HeapValue(DataType::kFp32, Shape{1, 2}, Raw<float>({0.5F, -2})), Label("one")};
  }
};

constexpr char kWhole[] =
    R"({"id": "7", "parameters": {"mine": "kept", "timeout": 500000}, "inputs": [
        {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2.5]},
        {"name": "words", "shape": [1, 1], "datatype": "BYTES", "data": ["h\u00e4"]}]})";

TEST_F(KserveRoutesTest, JsonIsAskedAndAnswered) {
  Ask("POST", "/v2/models/demo.model_a/versions/3/infer", kWhole);
  ASSERT_EQ(serving_.started.size(), 1U) << response_->body;
  EXPECT_EQ(Content(Started().inputs[0]), Raw<float>({1, 2.5}));
  EXPECT_EQ(Content(Started().inputs[1]), Framed({"hä"}));
  EXPECT_EQ(Started().options.request_id, "7");
  EXPECT_EQ(Started().options.deadline - clock_.now, absl::Milliseconds(500));

  Done(Outputs());

  EXPECT_EQ(response_->status, 200);
  EXPECT_EQ(response_->content_type, "application/json");
  EXPECT_EQ(json::parse(response_->body),
            json::parse(R"({"model_name": "demo.model_a", "model_version": "3", "id": "7",
              "parameters": {"mine": "kept", "timeout": 500000}, "outputs": [
              {"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [0.5, -2]},
              {"name": "label", "datatype": "BYTES", "shape": [1, 1], "data": ["one"]}]})"));
  EXPECT_EQ(FieldOf("x-request-id"), "7");
}

TEST_F(KserveRoutesTest, BinaryInputsFollowTheJsonInTheirOrder) {
  Infer(R"({"inputs": [
      {"name": "words", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 6}},
      {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}]})",
        Framed({"\xFF\x01"}) + Raw<float>({1, 2.5}));

  ASSERT_EQ(serving_.started.size(), 1U) << response_->body;
  EXPECT_EQ(Content(Started().inputs[0]), Raw<float>({1, 2.5}));
  EXPECT_EQ(Content(Started().inputs[1]), Framed({"\xFF\x01"}));
}

TEST_F(KserveRoutesTest, NestedDataIsInTheShapesOrder) {
  Infer(R"({"inputs": [
      {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4]]},
      {"name": "words", "shape": [2, 1], "datatype": "BYTES", "data": [["a"], ["b"]]}]})");

  ASSERT_EQ(serving_.started.size(), 1U) << response_->body;
  EXPECT_EQ(Started().rows, 2);
  EXPECT_EQ(Content(Started().inputs[0]), Raw<float>({1, 2, 3, 4}));
}

TEST_F(KserveRoutesTest, OutputsAreBinaryWhereTheClientSaysSo) {
  const json inputs = json::parse(kWhole)["inputs"];
  const json wanted = {{{"name", "label"}},
                       {{"name", "y"}, {"parameters", {{"binary_data", true}}}}};
  Infer(json{{"inputs", inputs}, {"outputs", wanted}}.dump());
  Done(Outputs());

  EXPECT_EQ(response_->content_type, "application/octet-stream");
  const size_t length = std::stoul(FieldOf("inference-header-content-length"));
  const json answer = json::parse(response_->body.substr(0, length));
  EXPECT_EQ(answer["outputs"][0]["data"], json({"one"}));
  EXPECT_EQ(answer["outputs"][1]["parameters"]["binary_data_size"], 8);
  EXPECT_EQ(response_->body.substr(length), Raw<float>({0.5F, -2}));

  const json none_of_label = {{{"name", "label"}, {"parameters", {{"binary_data", false}}}},
                              {{"name", "y"}}};
  Infer(json{{"inputs", inputs},
             {"parameters", {{"binary_data_output", true}}},
             {"outputs", none_of_label}}
            .dump());
  Done(Outputs());
  const size_t second = std::stoul(FieldOf("inference-header-content-length"));
  const json other = json::parse(response_->body.substr(0, second));
  EXPECT_EQ(other["outputs"][0]["data"], json({"one"}));
  EXPECT_EQ(other["outputs"][1]["parameters"]["binary_data_size"], 8);
  EXPECT_FALSE(other.contains("parameters"));
}

TEST_F(KserveRoutesTest, HalvesAreBinaryOnly) {
  const std::string input =
      R"({"name": "x", "shape": [2], "datatype": "FP16", "parameters": {"binary_data_size": 4}})";
  const std::string asked = R"({"inputs": [)" + input + "]}";
  const Field length{"inference-header-content-length", StrCat(asked.size())};
  Ask("POST", "/v2/models/demo.half/infer", asked + "abcd", {length});
  EXPECT_EQ(response_->status, 400);
  EXPECT_THAT(Error(), HasSubstr("output 'y' is FP16, which JSON has not"));

  const std::string binary =
      R"({"parameters": {"binary_data_output": true}, "inputs": [)" + input + "]}";
  Ask("POST", "/v2/models/demo.half/infer", binary + "abcd",
      {{"inference-header-content-length", StrCat(binary.size())}});
  ASSERT_EQ(serving_.started.size(), 1U) << response_->body;
  EXPECT_EQ(Content(Started().inputs[0]), "abcd");
}

TEST_F(KserveRoutesTest, BytesThatAreNoTextNeedBinaryData) {
  Ask("POST", "/v2/models/demo.model_a/infer", kWhole);
  Done({Outputs()[0], Label("\xFF")});
  EXPECT_EQ(response_->status, 501);
  EXPECT_THAT(Error(), HasSubstr("output 'label': it has elements that are not UTF-8"));
}

TEST_F(KserveRoutesTest, TheShorterTimeoutCounts) {
  Ask("POST", "/v2/models/demo.model_a/infer", kWhole, {{"x-request-timeout", "100ms"}});
  EXPECT_EQ(Started().options.deadline - clock_.now, absl::Milliseconds(100));
  Ask("POST", "/v2/models/demo.model_a/infer", kWhole, {{"x-request-timeout", "soon"}});
  EXPECT_EQ(response_->status, 400);
}

TEST_F(KserveRoutesTest, BadRequestsSayWhatIsWrong) {
  const std::string x = R"({"name": "x", "shape": [1, 2], "datatype": "FP32")";
  const auto with_x = [&](const std::string& rest) { return R"({"inputs": [)" + x + rest + "}]}"; };
  const std::string deep(101, '[');
  const std::tuple<std::string, std::string, std::string> cases[] = {
      {"", "", "does not parse as JSON"},
      {"\xFF", "", "does not parse as JSON"},
      {R"({"id": ")"
       "\xC3"
       R"("})",
       "", "does not parse as JSON"},
      {deep, "", "100 deep"},
      {"[]", "", "the request is not a JSON object"},
      {R"({"id": 1})", "", "'id' of the request is not a string"},
      {R"({"id": "1", "id": "2"})", "", "'id' is given twice"},
      {R"({"input": []})", "", "the request has no key 'input'; it may have id, inputs"},
      {R"({"inputs": {}})", "", "'inputs' of the request is not a list"},
      {R"({"inputs": [1]})", "", "an input is not a JSON object"},
      {R"({"inputs": [{"shape": [1]}]})", "", "an input has no name"},
      {R"({"inputs": [{"name": "x"}]})", "", "input 'x' has no list 'shape'"},
      {R"({"inputs": [{"name": "x", "shape": [1.5]}]})", "", "not a list of 64-bit integers"},
      {R"({"inputs": [{"name": "x", "shape": [18446744073709551615]}]})", "", "64-bit integers"},
      {R"({"inputs": [{"name": "x", "name": "y", "shape": [1]}]})", "", "'name' is given twice"},
      {R"({"model_name": "other", "inputs": []})", "", "names the model 'other'"},
      {R"({"model_version": "9", "inputs": []})", "", "has no version '9'"},
      {R"({"parameters": {"a": [1]}})", "", "the parameter 'a' of the request is not a string"},
      {R"({"parameters": {"timeout": -1}, "inputs": []})", "", "'timeout' must be"},
      {R"({"parameters": {"binary_data_output": 1}})", "", "is not true or false"},
      {R"({"inputs": []})", "", "input 'x' of 'demo.model_a' is missing"},
      {R"({"inputs": [], "outputs": [{"name": "z"}]})", "", "has no output 'z'"},
      {R"({"inputs": [], "outputs": [{"name": "y", "data": []}]})", "", "has no key 'data'"},
      {R"({"inputs": [], "outputs": [{"name": "y", "parameters": {"classification": 1}}]})", "",
       "'classification'"},
      {with_x(""), "", "input 'x': it has neither 'data' nor"},
      {with_x(R"(, "data": 1)"), "", "its data is not a list"},
      {with_x(R"(, "data": [1])"), "", "needs 2 elements, but its data has 1"},
      {with_x(R"(, "data": [[1], [2]])"), "", "have the shape [2,1], not [1,2]"},
      {with_x(R"(, "data": [1, "a"])"), "", "an element is not a FP32"},
      {with_x(R"(, "data": [1, 2], "parameters": {"binary_data_size": 8})"), "12345678",
       "it has both"},
      {with_x(R"(, "parameters": {"binary_data_size": 9})"), "12345678",
       "its binary_data_size is 9, but 8 bytes of the body are left"},
      {with_x(R"(, "parameters": {"binary_data_size": -1})"), "", "its binary_data_size is -1"},
      {with_x(R"(, "parameters": {"binary_data_size": 8})"), "123456789", "1 bytes more"},
      {with_x(R"(, "parameters": {"binary_data_size": 4})"), "1234", "input 'x'"},
      {with_x(R"(, "parameters": {"shared_memory_region": "r"})"), "",
       "there is no shared memory over HTTP"},
      {R"({"inputs": [{"name": "x", "shape": [4611686018427387904, 4], "datatype": "FP32",
           "data": [1]}]})",
       "", "input 'x'"},
      {R"({"inputs": [{"name": "x", "shape": [4611686018427387904, 4], "datatype": "FP32",
           "parameters": {"binary_data_size": 0}}]})",
       "", "input 'x'"},
      {R"({"inputs": [{"name": "x", "shape": [-1, 2], "datatype": "FP32", "data": [1]}]})", "",
       "input 'x'"},
      {R"({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FLOAT", "data": [1, 2]}]})", "",
       "input 'x' has datatype 'FLOAT', expected FP32"},
      {R"({"inputs": [{"name": "x", "shape": [2], "datatype": "FP16", "data": [1, 2]}]})", "",
       "FP16 can't be sent as JSON"},
      {R"({"inputs": [{"name": "words", "shape": [1, 1], "datatype": "BYTES", "data": [1]}]})", "",
       "an element is not a string"},
      {R"({"inputs": [{"name": "words", "shape": [1, 1], "datatype": "BYTES",
           "parameters": {"binary_data_size": 6}}]})",
       std::string("\3\0\0\0ab", 6), "input 'words'"},
  };
  for (const auto& [text, binary, message] : cases) {
    Infer(text, binary);
    ASSERT_TRUE(response_.has_value()) << text;
    EXPECT_THAT(response_->status, ::testing::AnyOf(400, 404)) << text;
    EXPECT_THAT(Error(), HasSubstr(message)) << text;
  }
  EXPECT_TRUE(serving_.started.empty());
}

TEST_F(KserveRoutesTest, TheLengthOfTheJsonIsWithinTheBody) {
  for (const char* wrong : {"1000", "-1", "x", "18446744073709551616", ""}) {
    Ask("POST", "/v2/models/demo.model_a/infer", kWhole,
        {{"inference-header-content-length", wrong}});
    EXPECT_EQ(response_->status, 400) << wrong;
    EXPECT_THAT(Error(), HasSubstr("Inference-Header-Content-Length"));
  }
  Ask("POST", "/v2/models/demo.model_a/infer",
      R"({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32",
          "parameters": {"binary_data_size": 8}}]})");
  EXPECT_THAT(Error(), HasSubstr("Inference-Header-Content-Length"));
  Ask("POST", "/v2/models/demo.model_a/infer", std::string(kMaxJsonBytes + 1, ' '));
  EXPECT_EQ(response_->status, 413);
}

TEST_F(KserveRoutesTest, ARefusedRequestHasItsId) {
  Infer(R"({"id": "mine", "inputs": []})");
  EXPECT_EQ(response_->status, 400);
  EXPECT_EQ(FieldOf("x-request-id"), "mine");
}

TEST_F(KserveRoutesTest, ModelsAreFoundAsOverGrpc) {
  EXPECT_EQ(Get("/v2/models/demo.model_a"),
            json::parse(R"({"name": "demo.model_a", "versions": ["3"], "platform": "xgboost",
              "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]},
                         {"name": "words", "datatype": "BYTES", "shape": [-1, 1]}],
              "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]},
                          {"name": "label", "datatype": "BYTES", "shape": [-1, 1]}],
              "properties": {"input.x": "fp32[2]", "input.words": "bytes[1]",
                             "output.y": "fp32[2]", "output.label": "bytes[1]"}})"));
  EXPECT_EQ(Get("/v2/models/model_a/versions/3")["name"], "demo.model_a");
  EXPECT_EQ(Get("/v2/models/demo%2emodel_a/")["name"], "demo.model_a");
  for (const char* path :
       {"/v2/models/none", "/v2/models/demo.model_a/versions/1", "/v2/models/none/config",
        "/v2/models/none/stats", "/v2/models/none/ready", "/v2/models", "/v2/models//ready",
        "/v2/other", "/v2/models/demo.model_a/infer/more", "/v2x"}) {
    Get(path);
    EXPECT_EQ(response_->status, 404) << path;
  }
  Ask("POST", "/v2/models/none/infer", "not even JSON");
  EXPECT_EQ(response_->status, 404);
}

TEST_F(KserveRoutesTest, TheServerAndItsModelsAreReadyOrNot) {
  EXPECT_EQ(Get("/v2")["extensions"],
            json({"model_configuration", "statistics", "binary_tensor_data"}));
  EXPECT_EQ(Get("/v2/health/live"), json({{"live", true}}));
  EXPECT_EQ(Get("/v2/health/ready"), json({{"ready", true}}));
  EXPECT_EQ(Get("/v2/models/demo.see/ready"), json({{"name", "demo.see"}, {"ready", true}}));
  serving_.down = {"demo", "demo.model_a"};
  Get("/v2/health/ready");
  EXPECT_EQ(response_->status, 503);
  Get("/v2/models/demo.model_a/ready");
  EXPECT_EQ(response_->status, 503);
  Get("/v2/health/live");
  EXPECT_EQ(response_->status, 200);
}

TEST_F(KserveRoutesTest, ConfigurationStatisticsAndIndexAreTritons) {
  const json config = Get("/v2/models/demo.model_a/config");
  EXPECT_EQ(config["input"][0]["data_type"], "TYPE_FP32");
  EXPECT_EQ(config["input"][0]["dims"], json({2}));
  EXPECT_EQ(config["max_batch_size"], 2147483647);
  EXPECT_FALSE(config.contains("dynamic_batching"));
  EXPECT_EQ(Get("/v2/models/demo.see/config")["ensemble_scheduling"]["step"], json::array());
  serving_.counted["demo.see"].rows = 5;
  const json one = Get("/v2/models/demo.see/stats")["model_stats"];
  EXPECT_EQ(one[0]["inference_count"], 5);
  EXPECT_EQ(one[0]["inference_stats"]["success"]["ns"], 0);
  EXPECT_EQ(Get("/v2/models/stats")["model_stats"].size(), 3U);

  serving_.down = {"demo.model_a"};
  Ask("POST", "/v2/repository/index");
  EXPECT_EQ(json::parse(response_->body).size(), 3U);
  Ask("POST", "/v2/repository/index", R"({"ready": true})");
  EXPECT_EQ(json::parse(response_->body).size(), 2U);
  for (const char* wrong : {"[]", R"({"ready": 1})", R"({"other": true})", "{"}) {
    Ask("POST", "/v2/repository/index", wrong);
    EXPECT_EQ(response_->status, 400) << wrong;
  }
}

TEST_F(KserveRoutesTest, WhatIsNotSupportedSaysSo) {
  Ask("POST", "/v2/repository/models/demo.see/load");
  EXPECT_EQ(response_->status, 501);
  EXPECT_THAT(Error(), HasSubstr("models are loaded when the server starts"));
  Ask("POST", "/v2/repository/models/demo.see/unload");
  EXPECT_EQ(response_->status, 501);
  Get("/v2/systemsharedmemory/status");
  EXPECT_EQ(response_->status, 501);
}

TEST_F(KserveRoutesTest, OtherMethodsAreNotAllowed) {
  Ask("GET", "/v2/models/demo.see/infer");
  EXPECT_EQ(response_->status, 405);
  EXPECT_EQ(FieldOf("allow"), "POST, OPTIONS");
  Ask("DELETE", "/v2/models/demo.see");
  EXPECT_EQ(response_->status, 405);
  EXPECT_EQ(FieldOf("allow"), "GET, HEAD, OPTIONS");
}

}  // namespace
}  // namespace tiffin::gateway::http
