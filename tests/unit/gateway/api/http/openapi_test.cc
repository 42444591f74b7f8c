#include "gateway/api/http/openapi.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway::http {
namespace {

using nlohmann::json;
using testing::Spec;

Interface Empty() {
  Interface interface;
  interface.name = "demo.api";
  return interface;
}

json DocumentOf(const Interface& interface) {
  const DescribedGet get{.path = "/metrics", .summary = "Counts", .content_type = "text/plain"};
  const DescribedApi api{.path = "/demo/api", .interface = &interface};
  return json::parse(OpenApiDocument({&get, 1}, {&api, 1}, KserveRoutes::routes()));
}

json InputsOf(const Interface& interface) {
  const json document = DocumentOf(interface);
  const json& content = document["paths"]["/demo/api"]["post"]["requestBody"]["content"];
  return content["application/json"]["schema"]["properties"];
}

TEST(OpenApiTest, EachTypeHasItsSchema) {
  Interface interface = Empty();
  interface.inputs = {Spec("picture", "image"), Spec("note", "text"), Spec("any", "json"),
                      Spec("x", "fp32[2,-1]"),  Spec("n", "uint8[]"), Spec("h", "bf16[1]")};
  const json inputs = InputsOf(interface);
  EXPECT_EQ(inputs["picture"], json::parse(R"({"type": "string", "contentEncoding": "base64"})"));
  EXPECT_EQ(inputs["note"], json::parse(R"({"type": "string"})"));
  EXPECT_FALSE(inputs["any"].contains("type"));
  EXPECT_EQ(inputs["x"], json::parse(R"({"type": "array", "minItems": 2, "maxItems": 2, "items":
      {"type": "array", "items": {"oneOf": [{"type": "number"},
                                            {"enum": ["NaN", "Infinity", "-Infinity"]}]}}})"));
  EXPECT_EQ(inputs["n"], json::parse(R"({"type": "integer", "minimum": 0, "maximum": 255})"));
  EXPECT_TRUE(inputs["h"]["items"].contains("not"));
}

TEST(OpenApiTest, RowsAreOutermost) {
  Interface interface = Empty();
  interface.inputs = {Spec("note", "text"), Spec("x", "bool[3]")};
  interface.has_rows = true;
  const json inputs = InputsOf(interface);
  EXPECT_EQ(inputs["note"],
            json::parse(R"({"type": "array", "minItems": 1, "items": {"type": "string"}})"));
  EXPECT_EQ(inputs["x"], json::parse(R"({"type": "array", "items":
      {"type": "array", "minItems": 3, "maxItems": 3, "items": {"type": "boolean"}}})"));
}

TEST(OpenApiTest, TheOnlyInputCanBeTheBody) {
  Interface interface = Empty();
  interface.inputs = {Spec("note", "text")};
  const json document = DocumentOf(interface);
  const json& content = document["paths"]["/demo/api"]["post"]["requestBody"]["content"];
  EXPECT_TRUE(content.contains("text/plain"));
  EXPECT_FALSE(content.contains("image/*"));
}

TEST(OpenApiTest, EveryRouteIsThere) {
  const json paths = DocumentOf(Empty())["paths"];
  EXPECT_EQ(paths.size(), 2 + KserveRoutes::routes().size());
  EXPECT_TRUE(paths["/metrics"]["get"]["responses"]["200"]["content"].contains("text/plain"));
  EXPECT_TRUE(paths["/v2/repository/models/{model}/load"]["post"]["responses"].contains("501"));
  EXPECT_EQ(paths["/v2/models/{model}/versions/{version}/stats"]["get"]["parameters"].size(), 2U);
}

}  // namespace
}  // namespace tiffin::gateway::http
