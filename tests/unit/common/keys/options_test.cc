#include "common/keys/options.h"

#include <array>
#include <limits>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tiffin::keys {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

enum class Mode { kAuto, kOn, kOff };
constexpr std::pair<std::string_view, Mode> kModes[] = {
    {"auto", Mode::kAuto}, {"on", Mode::kOn}, {"off", Mode::kOff}};
constexpr std::array kModeWords = WordsOf(kModes);

constexpr std::array<Key, 8> kKnown = {{
    {.name = "count", .form = Integer{.min = 1, .max = 9, .fallback = 3}, .meaning = ""},
    {.name = "scale", .form = Number{.min = 0, .max = 1, .fallback = 0.5}, .meaning = ""},
    {.name = "fast", .form = Boolean{.fallback = true}, .meaning = ""},
    {.name = "limit", .form = Duration{.fallback = absl::Seconds(30)}, .meaning = ""},
    {.name = "mode", .form = Choice{.words = kModeWords, .fallback = "auto"}, .meaning = ""},
    {.name = "words",
     .form = List{.noun = "words",
                  .item = Text{.wanted = "a word", .pattern = "[a-z]{1,8}"},
                  .min = 1,
                  .max = 2,
                  .is_unique = true},
     .meaning = ""},
    {.name = "content", .form = NumberOrText{}, .meaning = ""},
    {.name = "path", .form = Text{.wanted = "the name of a file"}, .meaning = ""},
}};

std::string ErrorOf(const json& options) {
  const absl::Status status = Options::Read("test", kKnown, options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << options;
  return std::string(status.message());
}

TEST(OptionsTest, WhatIsNotWrittenIsTheFallback) {
  for (const json& empty : {json::object(), json(nullptr)}) {
    const Options options = Options::Read("test", kKnown, empty).value();
    EXPECT_EQ(options.Integer("count"), 3);
    EXPECT_EQ(options.Number("scale"), 0.5);
    EXPECT_TRUE(options.Boolean("fast"));
    EXPECT_EQ(options.Duration("limit"), absl::Seconds(30));
    EXPECT_EQ(options.Choice("mode", kModes), Mode::kAuto);
    EXPECT_EQ(options.Find("words"), nullptr);
  }
}

TEST(OptionsTest, WhatIsWrittenIsRead) {
  const json written = {{"count", 9},      {"scale", 1},   {"fast", false},
                        {"limit", "1.5s"}, {"mode", "on"}, {"words", {"a", "b"}}};
  const Options options = Options::Read("test", kKnown, written).value();
  EXPECT_EQ(options.Integer("count"), 9);
  EXPECT_EQ(options.Number("scale"), 1);
  EXPECT_FALSE(options.Boolean("fast"));
  EXPECT_EQ(options.Duration("limit"), absl::Milliseconds(1500));
  EXPECT_EQ(options.Choice("mode", kModes), Mode::kOn);
  EXPECT_EQ(*options.Find("words"), json({"a", "b"}));
}

TEST(OptionsTest, ATruthStandsForOnAndOff) {
  const json off = {{"mode", false}};
  EXPECT_EQ(Options::Read("test", kKnown, off).value().Choice("mode", kModes), Mode::kOff);
}

TEST(OptionsTest, WhatIsUnknownIsNamedWithWhatThereIs) {
  EXPECT_EQ(ErrorOf({{"size", 1}}),
            "test backend: unknown option 'size'; the options are count, scale, fast, limit, mode, "
            "words, content and path");
  EXPECT_EQ(Options::Read("test", {}, {{"size", 1}}).status().message(),
            "test backend: unknown option 'size'; this backend has no options");
  EXPECT_EQ(ErrorOf(json::array()), "test backend: the options must be a mapping");
}

TEST(OptionsTest, WhatDoesNotFitIsNamedWithTheFix) {
  EXPECT_EQ(ErrorOf({{"count", 0}}),
            "test backend: option 'count' is 0; it must be a whole number from 1 to 9");
  const std::pair<const char*, json> cases[] = {{"count", 10},
                                                {"count", 1.5},
                                                {"count", "3"},
                                                {"scale", 1.1},
                                                {"scale", "1"},
                                                {"fast", 1},
                                                {"limit", "10"},
                                                {"limit", "25h"},
                                                {"mode", "yes"},
                                                {"mode", 1},
                                                {"words", "a"},
                                                {"words", json::array()},
                                                {"words", {"a", 1}},
                                                {"words", {"a", "a"}},
                                                {"words", {"a", "b", "c"}},
                                                {"words", {"A"}},
                                                {"content", true},
                                                {"path", ""},
                                                {"path", 1},
                                                {"words", {std::string(100'000, 'a')}}};
  for (const auto& [option, value] : cases) {
    EXPECT_THAT(ErrorOf({{option, value}}), HasSubstr("it must be ")) << option << ": " << value;
  }
}

TEST(OptionsTest, WhatMustBeThereIsNamedWithTheFix) {
  constexpr std::array<Key, 1> kRequired = {
      {{.name = "mode", .form = NumberOrText{}, .meaning = "", .required = "mode: fast"}}};
  EXPECT_EQ(Options::Read("test", kRequired, json::object()).status().message(),
            "test backend: option 'mode' is missing; add mode: fast");
}

TEST(OptionsTest, NumbersBeyond64BitsDontWrapAround) {
  const json huge = {{"count", std::numeric_limits<uint64_t>::max() - 1}};
  EXPECT_THAT(ErrorOf(huge), HasSubstr("from 1 to 9"));
  constexpr std::array<Key, 1> kSigned = {
      {{.name = "n", .form = Integer{.min = -5, .max = 9}, .meaning = ""}}};
  EXPECT_FALSE(Options::Read("test", kSigned, {{"n", std::numeric_limits<uint64_t>::max()}}).ok());
  EXPECT_TRUE(Options::Read("test", kSigned, {{"n", uint64_t{9}}}).ok());
  EXPECT_TRUE(Options::Read("test", kSigned, {{"n", -5}}).ok());
}

}  // namespace
}  // namespace tiffin::keys
