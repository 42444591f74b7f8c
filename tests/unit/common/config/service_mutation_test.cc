#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "common/config/service.h"

namespace tiffin::config {
namespace {

// Pieces that mean something to YAML, to the expressions, or to neither.
constexpr std::string_view kPieces[] = {
    "{",         "}",       "[",      "]",      "(",  ")",    ",",  ":",    ": ",   " #",
    "'",         "\"",      "\\",     "\n",     "\r", "\t",   "- ", "? ",   "&a ",  "*a",
    "!!x ",      "---\n",   "...\n",  "|\n",    ">",  "%",    "@",  "`",    "<<: ", "null",
    "true",      "-1",      "1e999",  ".inf",   "0x", "rows", "é",  "\xff", "\x04", "\"\\u0000\"",
    "\"\\x01\"", "f(g, h)", "'k: v'", "[rows,", "  ", "a.b.c"};

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  std::string Mutate(std::string text) {
    const size_t changes = 1 + Below(6);
    for (size_t i = 0; i < changes; ++i) Change(text);
    return text;
  }

 private:
  size_t Below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }

  void Change(std::string& text) {
    const size_t at = Below(text.size() + 1);
    const size_t length = std::min(Below(20), text.size() - at);
    switch (Below(5)) {
      case 0:
        text.insert(at, kPieces[Below(std::size(kPieces))]);
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(Below(256));
        break;
      case 3:
        text.insert(Below(text.size() + 1), text.substr(at, length));
        break;
      default:
        text.replace(at, length, kPieces[Below(std::size(kPieces))]);
        break;
    }
  }

  std::mt19937 random_;
};

bool IsSorted(const std::string& errors) {
  std::vector<std::pair<int, int>> places;
  for (size_t at = 0; at < errors.size();) {
    const size_t end = std::min(errors.find('\n', at), errors.size());
    int line = 0;
    int column = 0;
    if (std::sscanf(errors.substr(at, end - at).c_str(), "f:%d:%d: ", &line, &column) != 2) {
      return false;
    }
    if (line < 1 || column < 1) return false;
    places.emplace_back(line, column);
    at = end + 1;
  }
  return std::is_sorted(places.begin(), places.end());
}

TEST(ServiceMutationTest, AnyFileGivesAServiceOrErrorsWithTheirPlaces) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::ifstream stream(std::string(TIFFIN_EXAMPLES) + "/inference_graph_demo/service.yaml");
  const std::string example{std::istreambuf_iterator<char>(stream), {}};
  ASSERT_FALSE(example.empty());
  Mutator mutator(seed);
  int broken = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::string text = mutator.Mutate(example);
    Diagnostics diagnostics("f");
    const ServiceConfig service = ParseService(text, "f", diagnostics);
    for (const RunnerConfig& runner : service.runners) {
      // Throws on text that is not UTF-8.
      EXPECT_NO_THROW(runner.options.dump()) << text;
    }
    if (diagnostics.empty()) {
      EXPECT_FALSE(service.name.empty()) << text;
      continue;
    }
    ++broken;
    ASSERT_TRUE(IsSorted(diagnostics.ToString())) << diagnostics.ToString() << "\n" << text;
  }
  EXPECT_GT(broken, 1000);
}

TEST(ServiceMutationTest, AnyExpressionGivesACallOrErrors) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  Mutator mutator(seed);
  for (int round = 0; round < 20000; ++round) {
    const std::string text =
        mutator.Mutate("model_a.embed(features, b.scores, k=[1, [-2.5e3, 'it''s']], t=true)");
    Diagnostics diagnostics("f");
    const auto call = ParseCallExpression(text, {1, 1}, diagnostics);
    EXPECT_TRUE(call.has_value() || !diagnostics.empty()) << text;
    EXPECT_TRUE(!call.has_value() || !call->callee.empty()) << text;
  }
}

}  // namespace
}  // namespace tiffin::config
