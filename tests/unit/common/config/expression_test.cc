#include "common/config/expression.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace tiffin::config {
namespace {

CallExpression Parse(std::string_view text) {
  Diagnostics diagnostics("f");
  std::optional<CallExpression> call = ParseCallExpression(text, {3, 10}, diagnostics);
  EXPECT_TRUE(diagnostics.empty()) << diagnostics.ToString();
  EXPECT_TRUE(call.has_value()) << text;
  return call.value_or(CallExpression{});
}

std::string Error(std::string_view text) {
  Diagnostics diagnostics("f");
  const bool parsed = ParseCallExpression(text, {3, 10}, diagnostics).has_value();
  EXPECT_FALSE(parsed && diagnostics.empty()) << text;
  return diagnostics.ToString();
}

// The only argument of `f(<text>)`, a literal.
template <typename T>
T LiteralIn(std::string_view text) {
  const CallExpression call = Parse("f(" + std::string(text) + ")");
  EXPECT_EQ(call.arguments.size(), 1u);
  return std::get<T>(std::get<Literal>(call.arguments.at(0).value).value);
}

TEST(CallExpressionTest, TakesArgumentsByPositionAndByName) {
  const CallExpression call = Parse("model_a.embed(features, b.scores , k=1, t = b)");
  EXPECT_EQ(call.callee, "model_a");
  EXPECT_EQ(call.method, "embed");
  EXPECT_EQ(call.location, (Location{3, 10}));
  ASSERT_EQ(call.arguments.size(), 4u);
  EXPECT_EQ(call.arguments[0].keyword, "");
  EXPECT_EQ(std::get<Reference>(call.arguments[0].value).name, "features");
  EXPECT_EQ(std::get<Reference>(call.arguments[0].value).output, "");
  EXPECT_EQ(std::get<Reference>(call.arguments[1].value).name, "b");
  EXPECT_EQ(std::get<Reference>(call.arguments[1].value).output, "scores");
  EXPECT_EQ(call.arguments[2].keyword, "k");
  EXPECT_EQ(std::get<int64_t>(std::get<Literal>(call.arguments[2].value).value), 1);
  EXPECT_EQ(call.arguments[3].keyword, "t");
  EXPECT_EQ(std::get<Reference>(call.arguments[3].value).name, "b");
}

TEST(CallExpressionTest, ArgumentsKnowTheirPlaces) {
  const CallExpression call = Parse("f(a, k=1)");
  EXPECT_EQ(call.arguments.at(0).location, (Location{3, 12}));
  EXPECT_EQ(call.arguments.at(1).location, (Location{3, 15}));
}

TEST(CallExpressionTest, MayHaveNoArgumentsAndAnySpace) {
  EXPECT_TRUE(Parse("f()").arguments.empty());
  EXPECT_TRUE(Parse(" f ( ) ").arguments.empty());
  EXPECT_EQ(Parse("f(\n a,\n b)").arguments.size(), 2u);
}

TEST(CallExpressionTest, ReadsNumbers) {
  EXPECT_EQ(LiteralIn<int64_t>("0"), 0);
  EXPECT_EQ(LiteralIn<int64_t>("-17"), -17);
  EXPECT_EQ(LiteralIn<int64_t>("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(LiteralIn<double>("0.5"), 0.5);
  EXPECT_EQ(LiteralIn<double>("-2.0"), -2.0);
  EXPECT_EQ(LiteralIn<double>("1e3"), 1000.0);
  EXPECT_EQ(LiteralIn<double>("1.5E-2"), 0.015);
}

TEST(CallExpressionTest, ReadsTrueFalseAndText) {
  EXPECT_TRUE(LiteralIn<bool>("true"));
  EXPECT_FALSE(LiteralIn<bool>("false"));
  EXPECT_EQ(LiteralIn<std::string>("''"), "");
  EXPECT_EQ(LiteralIn<std::string>("'a, (b) [c] {d}: \"e\"'"), "a, (b) [c] {d}: \"e\"");
  EXPECT_EQ(LiteralIn<std::string>("'it''s'"), "it's");
  EXPECT_EQ(LiteralIn<std::string>("''''"), "'");
  EXPECT_EQ(LiteralIn<std::string>("'a\\n'"), "a\\n");
}

TEST(CallExpressionTest, ReadsNestedLists) {
  EXPECT_TRUE(LiteralIn<std::vector<Literal>>("[]").empty());
  const auto list = LiteralIn<std::vector<Literal>>("[1, [-2.5, 'x'], [], true]");
  ASSERT_EQ(list.size(), 4u);
  EXPECT_EQ(std::get<int64_t>(list[0].value), 1);
  const auto& inner = std::get<std::vector<Literal>>(list[1].value);
  ASSERT_EQ(inner.size(), 2u);
  EXPECT_EQ(std::get<double>(inner[0].value), -2.5);
  EXPECT_EQ(std::get<std::string>(inner[1].value), "x");
  EXPECT_TRUE(std::get<std::vector<Literal>>(list[2].value).empty());
  EXPECT_TRUE(std::get<bool>(list[3].value));
}

TEST(CallExpressionTest, SyntaxErrorsSayWhereAndWhatToDo) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "f:3:10: expected a runner or function, found the end"},
      {"f", "f:3:11: expected '(', found the end; a step is a call such as f(argument)"},
      {"f(a", "f:3:13: expected ',' or ')', found the end; close the call with ')'"},
      {"f(a b)", "f:3:14: expected ',' or ')', found 'b'; close the call with ')'"},
      {"f(a,)",
       "f:3:14: expected a value, found ')'; write a name, a number, true, false, 'text' "
       "or a [list]"},
      {"f(,a)",
       "f:3:12: expected a value, found ','; write a name, a number, true, false, 'text' "
       "or a [list]"},
      {"f(a))",
       "f:3:14: ')' after the call; a step is one call: remove it, or make it a step of "
       "its own"},
      {"F(a)",
       "f:3:10: 'F' is no name for a runner or function; write lower-case letters, digits "
       "and '_', a letter first"},
      {"f.(a)", "f:3:12: expected a method, found '('"},
      {"f(a.)", "f:3:14: expected an output, found ')'"},
      {"f(a.b.c)", "f:3:15: expected ',' or ')', found '.'; close the call with ')'"},
      {"f(g(a))",
       "f:3:12: a call can't stand here; make 'g(...)' a step of its own and write that "
       "step's name"},
      {"f([a])", "f:3:13: a list holds literals only, not 'a'; give it as an argument of its own"},
      {"f([1 2])", "f:3:15: expected ',' or ']', found '2'; close the list with ']'"},
      {"f('a)",
       "f:3:12: text without an end; write ' behind it (in YAML ' #' begins a comment: if "
       "it is cut there, put the step in double quotes)"},
      {"f(\"a\")", "f:3:12: text stands in single quotes: write 'text'"},
      {"f(k=)",
       "f:3:14: expected a value, found ')'; write a name, a number, true, false, 'text' "
       "or a [list]"},
      {"true(a)",
       "f:3:10: a runner or function can't be named 'true', which is a literal; rename "
       "it"},
      {"f(é)",
       "f:3:12: expected a value, found 'é'; write a name, a number, true, false, 'text' "
       "or a [list]"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Error(text), expected) << text;
}

TEST(CallExpressionTest, RefusesWhatIsNoNumber) {
  for (const std::string number : {"-", "1.", "1.2.3", "1a", "1e", "1e+", "0x10", "1_000"}) {
    EXPECT_EQ(Error("f(" + number + ")"),
              "f:3:12: '" + number + "' is no number; write one such as 3, -0.5 or 1e-3");
  }
  EXPECT_EQ(Error("f(9223372036854775808)"),
            "f:3:12: '9223372036854775808' is beyond 64 bits; write a smaller number");
  EXPECT_EQ(Error("f(1e999)"), "f:3:12: '1e999' is beyond a double; write a smaller number");
}

TEST(CallExpressionTest, FindsSeveralWrongArgumentsInOneRun) {
  EXPECT_EQ(Error("f(k=1, a, k=2)"),
            "f:3:17: an argument without a name follows one with a name; move it to the front\n"
            "f:3:20: argument 'k' is given twice; remove one of them");
}

TEST(CallExpressionTest, RefusesListsTooDeepWithoutUsingUpTheStack) {
  const std::string deep(16, '[');
  EXPECT_EQ(Parse("f(" + deep + "1" + std::string(16, ']') + ")").arguments.size(), 1u);
  EXPECT_EQ(Error("f(" + std::string(500'000, '[')),
            "f:3:28: lists more than 16 deep; make it flatter");
}

TEST(CallExpressionTest, TextThatIsNotInTheFileAsItStandsHasOnePlace) {
  EXPECT_EQ(Error("f(a,\n b c)"),
            "f:3:10: expected ',' or ')', found 'c'; close the call with ')'");
}

TEST(ReferenceTest, IsANameOrAnOutputOfAStep) {
  Diagnostics diagnostics("f");
  const auto plain = ParseReference({"verdict", {1, 1}}, diagnostics);
  const auto of_step = ParseReference({" a.scores ", {1, 1}}, diagnostics);
  ASSERT_TRUE(plain.has_value() && of_step.has_value()) << diagnostics.ToString();
  EXPECT_EQ(plain->name, "verdict");
  EXPECT_EQ(of_step->name, "a");
  EXPECT_EQ(of_step->output, "scores");
}

TEST(ReferenceTest, RefusesCallsAndLeftovers) {
  Diagnostics diagnostics("f");
  EXPECT_FALSE(ParseReference({"g(a)", {1, 1}}, diagnostics).has_value());
  EXPECT_FALSE(ParseReference({"a b", {2, 1}}, diagnostics).has_value());
  EXPECT_FALSE(ParseReference({"3", {3, 1}}, diagnostics).has_value());
  EXPECT_EQ(diagnostics.ToString(),
            "f:1:1: a call can't stand here; make 'g(...)' a step of its own and write that step's "
            "name\n"
            "f:2:3: 'b' after 'a'; write an input, a step, or step.output\n"
            "f:3:1: expected a value, found '3'");
}

}  // namespace
}  // namespace tiffin::config
