#include "common/trace_context.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace tiffin {
namespace {

const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kSpan = "00f067aa0ba902b7";

TEST(TraceContextTest, ATraceparentIsReadAndWritten) {
  const auto context = ParseTraceparent("00-" + kTrace + "-" + kSpan + "-01");
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(TraceIdText(*context), kTrace);
  EXPECT_EQ(SpanIdText(context->span), kSpan);
  EXPECT_EQ(context->flags, 1);
  EXPECT_EQ(ToTraceparent(*context), "00-" + kTrace + "-" + kSpan + "-01");
}

TEST(TraceContextTest, FlagsThatNobodyKnowsAreCleared) {
  const auto context = ParseTraceparent("00-" + kTrace + "-" + kSpan + "-ff");
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(ToTraceparent(*context), "00-" + kTrace + "-" + kSpan + "-03");
}

TEST(TraceContextTest, LaterVersionsMayHaveMore) {
  for (const std::string rest : {"", "-", "-what-comes"}) {
    EXPECT_TRUE(ParseTraceparent("cc-" + kTrace + "-" + kSpan + "-01" + rest).has_value()) << rest;
  }
  EXPECT_FALSE(ParseTraceparent("cc-" + kTrace + "-" + kSpan + "-01.more").has_value());
}

TEST(TraceContextTest, WhatIsNoTraceparentIsIgnored) {
  const std::string zeros32(32, '0');
  const std::string zeros16(16, '0');
  const std::vector<std::string> bad = {
      "",
      "00",
      "00-" + kTrace + "-" + kSpan,
      "00-" + kTrace + "-" + kSpan + "-1",
      "00-" + kTrace + "-" + kSpan + "-01-more",
      "00-" + kTrace + "-" + kSpan + "-01 ",
      " 00-" + kTrace + "-" + kSpan + "-01",
      "ff-" + kTrace + "-" + kSpan + "-01",
      "0x-" + kTrace + "-" + kSpan + "-01",
      "00-" + zeros32 + "-" + kSpan + "-01",
      "00-" + kTrace + "-" + zeros16 + "-01",
      "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + kSpan + "-01",
      "00-" + kTrace + "-" + kSpan + "-0.",
      "00-" + kTrace + "-" + kSpan + "_01",
      "00_" + kTrace + "-" + kSpan + "-01",
      "00-" + kTrace.substr(1) + "--" + kSpan + "-01",
      "00-" + kTrace + "-" + kSpan + std::string("-0\0", 3),
  };
  for (const std::string& text : bad) EXPECT_FALSE(ParseTraceparent(text).has_value()) << text;
}

TEST(TraceContextTest, StatesOfSeveralFieldsAreOneList) {
  const std::vector<std::string_view> values = {"rojo=00f067aa0ba902b7 , congo=t61 x", "",
                                                "1t@sys*/-_=a!,,"};
  EXPECT_EQ(JoinTracestate(values), "rojo=00f067aa0ba902b7,congo=t61 x,1t@sys*/-_=a!");
}

TEST(TraceContextTest, AMalformedStateIsDroppedWhole) {
  const std::string long_key(257, 'k');
  const std::vector<std::string> bad_states = {
      "a", "=b", "a=", "A=b", "a=b=c", "a=b\tc", "a=\x7F", "a=\xC3\xA4", "@a=b", long_key + "=b"};
  for (const std::string& bad : bad_states) {
    const std::vector<std::string_view> values = {"good=1", bad};
    EXPECT_EQ(JoinTracestate(values), "") << bad;
  }
  const std::string many = [] {
    std::string text;
    for (int i = 0; i < 33; ++i) text += "k" + std::to_string(i) + "=v,";
    return text;
  }();
  EXPECT_EQ(JoinTracestate(std::vector<std::string_view>{many}), "");
}

TEST(TraceContextTest, ALongStateLosesWholeMembersFromTheRight) {
  const std::string first = "a=" + std::string(250, 'x');
  const std::string second = "b=" + std::string(250, 'y');
  const std::string third = "c=" + std::string(250, 'z');
  EXPECT_EQ(JoinTracestate(std::vector<std::string_view>{first, second, third, "d=1"}),
            first + "," + second);
}

}  // namespace
}  // namespace tiffin
