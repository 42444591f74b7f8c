#include "common/config/diagnostics.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "common/strings.h"

namespace tiffin::config {
namespace {

TEST(DiagnosticsTest, EmptyIsOk) {
  const Diagnostics diagnostics("service.yaml");
  EXPECT_TRUE(diagnostics.empty());
  EXPECT_TRUE(diagnostics.ToStatus().ok());
}

TEST(DiagnosticsTest, PrintsInTheOrderOfTheFile) {
  Diagnostics diagnostics("service.yaml");
  diagnostics.Add({10, 2}, "third");
  diagnostics.Add({2, 30}, "second");
  diagnostics.Add({2, 4}, "first");
  EXPECT_EQ(diagnostics.ToString(),
            "service.yaml:2:4: first\nservice.yaml:2:30: second\nservice.yaml:10:2: third");
  EXPECT_EQ(diagnostics.ToStatus().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(diagnostics.ToStatus()), diagnostics.ToString());
}

TEST(DiagnosticsTest, SaysTheSameThingOnce) {
  Diagnostics diagnostics("f");
  diagnostics.Add({1, 1}, "same");
  diagnostics.Add({1, 2}, "same");
  diagnostics.Add({1, 1}, "other");
  diagnostics.Add({1, 1}, "same");
  EXPECT_EQ(diagnostics.ToString(), "f:1:1: same\nf:1:1: other\nf:1:2: same");
}

TEST(DiagnosticsTest, WholeFileHasNoLine) {
  Diagnostics diagnostics("f");
  diagnostics.Add({}, "all of it");
  EXPECT_EQ(diagnostics.ToString(), "f: all of it");
}

TEST(DiagnosticsTest, KeepsAMessageOnItsLine) {
  Diagnostics diagnostics("f");
  diagnostics.Add({1, 1}, "a\nb\tc\x1b[31m é");
  EXPECT_EQ(diagnostics.ToString(), "f:1:1: a\\nb\\tc\\x1b[31m é");
}

TEST(DiagnosticsTest, FilesFollowOneAnother) {
  std::vector<Diagnostics> files = {Diagnostics("a"), Diagnostics("b"), Diagnostics("c")};
  EXPECT_TRUE(ToStatus(files).ok());
  files[0].Add({1, 1}, "first");
  files[2].Add({2, 1}, "last");
  EXPECT_EQ(ToStatus(files).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(ToStatus(files)), "a:1:1: first\nc:2:1: last");
}

TEST(DiagnosticsTest, TravelWithTheirStatus) {
  std::vector<Diagnostics> files = {Diagnostics("a"), Diagnostics("b")};
  files[0].Add({3, 2}, "second\n");
  files[0].Add({1, 1}, "first");
  files[1].Add({}, "all of it");
  EXPECT_EQ(DiagnosticsIn(ToStatus(files)),
            (std::vector<Diagnostic>{
                {"a", {1, 1}, "first"}, {"a", {3, 2}, "second\\n"}, {"b", {}, "all of it"}}));
  EXPECT_TRUE(DiagnosticsIn(absl::InvalidArgumentError("a:1:1: first")).empty());
}

TEST(DiagnosticsTest, EndsAfterAHundredLines) {
  Diagnostics diagnostics("f");
  for (int i = 1; i <= 150; ++i) diagnostics.Add({i, 1}, "wrong");
  const std::string text = diagnostics.ToString();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 100);
  EXPECT_TRUE(text.ends_with("f: and 50 more; fix the first ones, then see"));
}

}  // namespace
}  // namespace tiffin::config
