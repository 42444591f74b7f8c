#include "common/keys/schema.h"

#include <array>

#include <gtest/gtest.h>

namespace tiffin::keys {
namespace {

using nlohmann::json;

constexpr std::string_view kWords[] = {"auto", "off"};
constexpr Text kCall = {.wanted = "a call", .pattern = "[a-z]+"};
constexpr std::array<Key, 2> kInnerKeys = {{
    {.name = "run", .form = kCall, .meaning = "The call", .required = "run: f"},
    {.name = "mode", .form = Choice{.words = kWords, .fallback = "auto"}, .meaning = "How"},
}};
constexpr Section kInner = {.keys = kInnerKeys};
constexpr Either kEither = {.first = "a", .second = "b", .if_none = "", .if_both = "remove one"};
constexpr std::array<Key, 4> kOuterKeys = {{
    {.name = "a", .form = Integer{.min = 1, .max = 9, .fallback = 2}, .meaning = "A number"},
    {.name = "b",
     .form = Number{.min = 0, .max = 1, .min_is = Number::Min::kExcluded},
     .meaning = "A share"},
    {.name = "steps",
     .form = Named{.noun = "step", .example = "", .text = &kCall, .section = &kInner},
     .meaning = "Steps"},
    {.name = "list",
     .form = List{.noun = "numbers",
                  .item = Integer{.min = 0, .max = 5},
                  .min = 1,
                  .max = 2,
                  .is_unique = true},
     .meaning = "A list"},
}};

json Schema(const Section& section) { return json::parse(SchemaOf(section).dump()); }

TEST(SchemaTest, AMappingHasItsKeysAndNoOthers) {
  const json schema = Schema(kInner);
  EXPECT_EQ(schema["type"], "object");
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_EQ(schema["required"], json({"run"}));
  EXPECT_EQ(schema["properties"]["run"],
            json({{"type", "string"}, {"pattern", "^(?:[a-z]+)$"}, {"description", "The call."}}));
}

TEST(SchemaTest, AWordMayBeATruthWhereYamlSeesOne) {
  EXPECT_EQ(Schema(kInner)["properties"]["mode"],
            json({{"enum", {"auto", "off", false}}, {"default", "auto"}, {"description", "How."}}));
}

TEST(SchemaTest, NumbersHaveTheirBounds) {
  const json properties = Schema({.keys = kOuterKeys})["properties"];
  EXPECT_EQ(properties["a"], json({{"type", "integer"},
                                   {"minimum", 1},
                                   {"maximum", 9},
                                   {"default", 2},
                                   {"description", "A number."}}));
  EXPECT_EQ(properties["b"]["exclusiveMinimum"], 0);
  EXPECT_FALSE(properties["b"].contains("minimum"));
  EXPECT_EQ(properties["list"]["items"],
            json({{"type", "integer"}, {"minimum", 0}, {"maximum", 5}}));
  EXPECT_EQ(properties["list"]["minItems"], 1);
  EXPECT_EQ(properties["list"]["maxItems"], 2);
  EXPECT_EQ(properties["list"]["uniqueItems"], true);
}

TEST(SchemaTest, NamesAreNamesAndWhatTheyNameMayBeTwoThings) {
  const json steps = Schema({.keys = kOuterKeys})["properties"]["steps"];
  EXPECT_EQ(steps["minProperties"], 1);
  EXPECT_EQ(steps["propertyNames"]["pattern"], "^(?:(?!(true|false)$)[a-z][a-z0-9_]*)$");
  EXPECT_EQ(steps["additionalProperties"]["type"], json({"string", "object"}));
  EXPECT_EQ(steps["additionalProperties"]["pattern"], "^(?:[a-z]+)$");
  EXPECT_EQ(steps["additionalProperties"]["required"], json({"run"}));
}

TEST(SchemaTest, OfTwoKeysOneIsWritten) {
  EXPECT_EQ(Schema({.keys = kOuterKeys, .either = &kEither})["oneOf"],
            json({{{"required", {"a"}}}, {{"required", {"b"}}}}));
}

TEST(SchemaTest, OfThreeKeysOneIsWritten) {
  constexpr Either kThree = {
      .first = "a", .second = "b", .third = "list", .if_none = "", .if_both = "remove one"};
  EXPECT_EQ(Schema({.keys = kOuterKeys, .either = &kThree})["oneOf"],
            json({{{"required", {"a"}}}, {{"required", {"b"}}}, {{"required", {"list"}}}}));
}

}  // namespace
}  // namespace tiffin::keys
