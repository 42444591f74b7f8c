#include "gateway/api/http/service.h"

#include "absl/strings/escaping.h"
#include "gateway/api/http/json_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/gateway/api/fakes.h"
#include "tests/unit/gateway/api/http/service_fixture.h"

namespace tiffin::gateway::http {
namespace {

using testing::BytesValue;
using testing::Content;
using testing::Framed;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using testing::Raw;
using testing::Spec;

class HttpServiceTest : public ServiceFixture {
 protected:
  HttpServiceTest() {
    serving_.AddApi("demo", "see", {Spec("image", "image")}, {Spec("verdict", "text")});
    serving_.AddApi("demo", "read", {Spec("text", "text")}, {Spec("felt", "json")});
    serving_.AddApi("demo", "mix",
                    {Spec("image", "image"), Spec("note", "text"), Spec("x", "fp32[-1]")},
                    {Spec("y", "fp32[-1]"), Spec("raw", "bytes")});
    serving_
        .AddApi("demo", "many", {Spec("text", "text"), Spec("x", "int32[2]")},
                {Spec("label", "text")})
        .has_rows = true;
    serving_.AddRunner("demo", "model_a", {}, {});
    Start();
  }

  void Post(const std::string& target, const std::string& type, const std::string& body,
            std::vector<Field> fields = {}) {
    fields.push_back({"content-type", type});
    Ask({.method = "POST", .target = target, .fields = std::move(fields), .body = body});
  }
  void Get(const std::string& target) {
    Ask({.method = "GET", .target = target, .fields = {}, .body = ""});
  }
};

TEST_F(HttpServiceTest, AnImageIsTheBody) {
  Post("/demo/see?x=1", "image/png", "\x89PNG");
  EXPECT_EQ(Content(Started().inputs[0]), Framed({"\x89PNG"}));
  Done({BytesValue({"a \"7\""})});
  EXPECT_EQ(response_->status, 200);
  EXPECT_EQ(response_->body, "{\"verdict\": \"a \\\"7\\\"\"}\n");
}

TEST_F(HttpServiceTest, TextIsTheBody) {
  Post("/demo/read", "text/plain; charset=utf-8", "fine");
  EXPECT_EQ(Content(Started().inputs[0]), Framed({"fine"}));
  Done({BytesValue({R"({"a": [1]})"})});
  EXPECT_EQ(response_->body, "{\"felt\": {\"a\": [1]}}\n");
}

TEST_F(HttpServiceTest, JsonHasTheInputsByName) {
  Post("/demo/mix", "application/json",
       nlohmann::json{{"image", absl::Base64Escape("png")}, {"note", "n"}, {"x", {1, 2.5}}}.dump());
  ASSERT_EQ(serving_.started.size(), 1U) << response_->body;
  EXPECT_EQ(Content(Started().inputs[0]), Framed({"png"}));
  EXPECT_EQ(Content(Started().inputs[1]), Framed({"n"}));
  EXPECT_EQ(Content(Started().inputs[2]), Raw<float>({1, 2.5}));
  Done({HeapValue(DataType::kFp32, Shape{1, 3}, Raw<float>({0.1F, -2, 1e20F})),
        BytesValue({"\xFF"})});
  EXPECT_EQ(response_->body, "{\"y\": [0.1, -2, 1e+20], \"raw\": \"/w==\"}\n");
}

TEST_F(HttpServiceTest, AFormHasTheInputsByField) {
  Post("/demo/mix", "multipart/form-data; boundary=\"b\"",
       "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n"
       "Content-Type: image/png\r\n\r\n\r\n--png\r\n"
       "--b\r\nContent-Disposition: form-data; name=note\r\n\r\n\r\n"
       "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n[3]\r\n--b--\r\n");
  ASSERT_EQ(serving_.started.size(), 1U) << response_->body;
  EXPECT_EQ(Content(Started().inputs[0]), Framed({"\r\n--png"}));
  EXPECT_EQ(Content(Started().inputs[1]), Framed({""}));
  EXPECT_EQ(Content(Started().inputs[2]), Raw<float>({3}));
}

TEST_F(HttpServiceTest, RowsAreListsAndRepeatedFields) {
  Post("/demo/many", "application/json", R"({"text": ["a", "b"], "x": [[1, 2], [3, 4]]})");
  EXPECT_EQ(Started().rows, 2);
  EXPECT_EQ(Content(Started().inputs[1]), Raw<int32_t>({1, 2, 3, 4}));
  Done({BytesValue({"p", "q"})});
  EXPECT_EQ(response_->body, "{\"label\": [\"p\", \"q\"]}\n");

  const std::string field = "--b\r\nContent-Disposition: form-data; name=\"";
  Post("/demo/many", "multipart/form-data; boundary=b",
       field + "text\"\r\n\r\na\r\n" + field + "text\"\r\n\r\nb\r\n" + field +
           "x\"\r\n\r\n[[1, 2], [3, 4]]\r\n--b--");
  EXPECT_EQ(Content(Started().inputs[0]), Framed({"a", "b"}));
}

TEST_F(HttpServiceTest, TheRequestIdComesBack) {
  Post("/demo/read", "text/plain", "x", {{"x-request-id", "mine"}});
  EXPECT_EQ(Started().options.request_id, "mine");
  Done({BytesValue({"1"})});
  EXPECT_EQ(FieldOf("x-request-id"), "mine");
  Post("/demo/read", "text/plain", "\xFF");
  EXPECT_THAT(FieldOf("x-request-id"), MatchesRegex("[0-9a-f]{16}"));
}

TEST_F(HttpServiceTest, TheDeadlineIsTheClients) {
  Post("/demo/read", "text/plain", "x", {{"x-request-timeout", "500ms"}});
  EXPECT_EQ(Started().options.deadline - clock_.now, absl::Milliseconds(500));
  Post("/demo/read", "text/plain", "x");
  EXPECT_EQ(Started().options.deadline - clock_.now, absl::Seconds(10));  // The API's.
  for (const char* wrong : {"soon", "500", "-1s", "0s"}) {
    Post("/demo/read", "text/plain", "x", {{"x-request-timeout", wrong}});
    EXPECT_EQ(response_->status, 400);
    EXPECT_THAT(Error(), HasSubstr("x-request-timeout"));
  }
}

TEST_F(HttpServiceTest, ErrorsHaveTheStatusOfTheirCode) {
  const std::pair<absl::Status, int> cases[] = {{absl::ResourceExhaustedError("full"), 429},
                                                {absl::UnavailableError("down"), 503},
                                                {absl::DeadlineExceededError("late"), 504},
                                                {absl::InvalidArgumentError("bad"), 400},
                                                {absl::InternalError("bug"), 500}};
  for (const auto& [status, code] : cases) {
    Post("/demo/read", "text/plain", "x");
    Started().done(status);
    EXPECT_EQ(response_->status, code);
    EXPECT_EQ(Error(), std::string(status.message()));
  }
}

TEST_F(HttpServiceTest, AClientThatLeavesCancels) {
  Post("/demo/read", "text/plain", "x");
  exchange_->Cancel();
  EXPECT_TRUE(Started().cancelled);
  EXPECT_EQ(response_->status, 499);
  exchange_->Cancel();  // Too late, and harmless.
}

TEST_F(HttpServiceTest, WhatIsNotThereIsNotFound) {
  Get("/demo/nothing");
  EXPECT_EQ(response_->status, 404);
  EXPECT_THAT(Error(), HasSubstr("POST /demo/see"));
}

TEST_F(HttpServiceTest, OtherMethodsAreNotAllowed) {
  Get("/demo/see");
  EXPECT_EQ(response_->status, 405);
  EXPECT_EQ(FieldOf("allow"), "POST, OPTIONS");
  Post("/readyz", "text/plain", "");
  EXPECT_EQ(response_->status, 405);
  EXPECT_EQ(FieldOf("allow"), "GET, HEAD, OPTIONS");
}

TEST_F(HttpServiceTest, OtherContentTypesAreNotSupported) {
  Post("/demo/see", "text/plain", "x");
  EXPECT_EQ(response_->status, 415);
  Post("/demo/mix", "image/png", "x");
  EXPECT_EQ(response_->status, 415);
  Ask({.method = "POST", .target = "/demo/see", .fields = {}, .body = "x"});
  EXPECT_EQ(response_->status, 415);
  EXPECT_THAT(response_->body, ::testing::Not(HasSubstr("curl")));
}

TEST_F(HttpServiceTest, WhatCurlSendsByItselfIsToldFrom) {
  Post("/demo/see", "application/x-www-form-urlencoded", "x");

  EXPECT_EQ(response_->status, 415);
  EXPECT_THAT(response_->body, HasSubstr("give it -H 'Content-Type: image/png'"));
}

TEST_F(HttpServiceTest, LargeJsonIsTooLarge) {
  Post("/demo/mix", "application/json", std::string(kMaxJsonBytes + 1, ' '));
  EXPECT_EQ(response_->status, 413);
}

TEST_F(HttpServiceTest, BadBodiesSayWhatIsWrong) {
  const std::string deep(101, '[');
  const std::tuple<std::string, std::string, std::string> cases[] = {
      {"/demo/read", "\xFF", "does not parse as JSON"},
      {"/demo/read", "[1]", "not a JSON object"},
      {"/demo/read", R"({"text": 1})", "input 'text': send text as a string"},
      {"/demo/read", R"({"text": "a", "text": "b"})", "given twice"},
      {"/demo/read", R"({"other": "a"})", "no input 'other'; it has text"},
      {"/demo/read", "{}", "input 'text' of 'demo.read' is missing"},
      {"/demo/read", deep, "100 deep"},
      {"/demo/see", R"({"image": "***"})", "not base64"},
      {"/demo/mix", R"({"x": [[1]]})", "nested deeper than 1"},
      {"/demo/mix", R"({"x": 1})", "nested 1 deep"},
      {"/demo/mix", R"({"x": ["a"]})", "not a FP32"},
      {"/demo/mix", R"({"x": [1e39]})", "does not fit FP32"},
      {"/demo/many", R"({"x": [[1, 2], [3]]})", "2 and 1 elements"},
      {"/demo/many", R"({"x": [[1, 2.5]]})", "not a INT32"},
      {"/demo/many", R"({"x": [[1, 2147483648]]})", "does not fit INT32"},
      {"/demo/many", R"({"x": [[1, 2, 3]]})", "input 'x' has shape [1,3], expected [-1,2]"},
      {"/demo/many", R"({"text": "a"})", "a list of its rows"},
      {"/demo/many", R"({"text": ["a"], "x": [[1, 2], [3, 4]]})", "all need the same"},
  };
  for (const auto& [target, body, message] : cases) {
    Post(target, "application/json", body);
    ASSERT_TRUE(response_.has_value()) << body;
    EXPECT_EQ(response_->status, 400) << body;
    EXPECT_THAT(Error(), HasSubstr(message)) << body;
  }
  EXPECT_TRUE(serving_.started.empty());
}

TEST_F(HttpServiceTest, BadFormsSayWhatIsWrong) {
  const std::string name = "Content-Disposition: form-data; name=image\r\n";
  const std::pair<std::string, std::string> cases[] = {
      {"", "boundary is not in it"},
      {"--b", "does not end its line"},
      {"--b\r\n" + name, "header of a part does not end"},
      {"--b\r\n" + name + "\r\npng", "last boundary is missing"},
      {"--b\r\n\r\npng\r\n--b--", "no 'Content-Disposition"},
      {"--b\r\nnonsense\r\n\r\npng\r\n--b--", "without a colon"},
      {"--b\r\n" + name + "Content-Transfer-Encoding: base64\r\n\r\npng\r\n--b--",
       "Content-Transfer-Encoding"},
      {"--b\r\n" + name + "\r\n1\r\n--b\r\n" + name + "\r\n2\r\n--b--", "given twice"},
      {"--b\r\nContent-Disposition: form-data; name=other\r\n\r\n1\r\n--b--", "no input 'other'"},
      {"--b--", "input 'image' of 'demo.see' is missing"},
  };
  for (const auto& [body, message] : cases) {
    Post("/demo/see", "multipart/form-data; boundary=b", body);
    ASSERT_TRUE(response_.has_value()) << body;
    EXPECT_EQ(response_->status, 400) << body;
    EXPECT_THAT(Error(), HasSubstr(message)) << body;
  }
  Post("/demo/see", "multipart/form-data", "--b--");
  EXPECT_THAT(Error(), HasSubstr("no boundary"));
}

TEST_F(HttpServiceTest, NumbersThatJsonHasNotAreStrings) {
  Post("/demo/mix", "application/json",
       R"({"image": "", "note": "", "x": ["NaN", "Infinity", "-Infinity"]})");
  const Value x = Started().inputs[2];
  Done({x, BytesValue({""})});
  EXPECT_EQ(response_->body, "{\"y\": [\"NaN\", \"Infinity\", \"-Infinity\"], \"raw\": \"\"}\n");
}

TEST_F(HttpServiceTest, MetricsAreText) {
  Get("/metrics");
  EXPECT_EQ(response_->status, 200);
  EXPECT_EQ(response_->content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(response_->body, "# no metrics\n");
  Post("/metrics", "text/plain", "");
  EXPECT_EQ(response_->status, 405);
}

TEST_F(HttpServiceTest, WhatIsRefusedIsCountedByItsTargetOrNone) {
  Get("/demo/see");
  Post("/demo/see", "text/plain", "x");
  Post("/demo/nothing", "text/plain", "x");
  EXPECT_THAT(serving_.refused, ::testing::ElementsAre(
                                    ::testing::Pair("demo.see", absl::StatusCode::kInvalidArgument),
                                    ::testing::Pair("demo.see", absl::StatusCode::kInvalidArgument),
                                    ::testing::Pair("", absl::StatusCode::kNotFound)));
}

TEST_F(HttpServiceTest, HealthIsAliveAndReadinessNamesWhatIsNot) {
  Get("/healthz");
  EXPECT_EQ(response_->status, 200);
  Get("/readyz");
  EXPECT_EQ(response_->status, 200);
  serving_.down = {"demo", "demo.model_a"};
  Get("/readyz");
  EXPECT_EQ(response_->status, 503);
  EXPECT_EQ(response_->body, "{\"ready\": false, \"not_ready\": [\"demo\", \"demo.model_a\"]}\n");
  Get("/healthz");
  EXPECT_EQ(response_->status, 200);
}

}  // namespace
}  // namespace tiffin::gateway::http
