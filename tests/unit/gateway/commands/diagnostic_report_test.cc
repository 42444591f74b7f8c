#include "gateway/commands/diagnostic_report.h"

#include <gtest/gtest.h>

namespace tiffin::gateway {
namespace {

TEST(DiagnosticReportTest, ACaretStandsUnderTheColumn) {
  EXPECT_EQ(DiagnosticText({"f.yaml", {12, 7}, "odd"}, "a: é = x", {}),
            "f.yaml:12:7: odd\n  12 | a: é = x\n     |      ^\n");
}

TEST(DiagnosticReportTest, TabsAreKeptAndControlsAreNot) {
  EXPECT_EQ(DiagnosticText({"f", {1, 3}, "odd"}, "\t\x1b[31m", {}),
            "f:1:3: odd\n  1 | \t\\x1b[31m\n    | \t ^\n");
}

TEST(DiagnosticReportTest, WithoutALineThereIsTheMessageOnly) {
  EXPECT_EQ(DiagnosticText({"f", {}, "all of it"}, "", {}), "f: all of it\n");
  EXPECT_EQ(DiagnosticText({"f", {1, 9}, "beyond"}, "short", {}), "f:1:9: beyond\n");
  EXPECT_EQ(DiagnosticText({"f", {1, 1}, "long"}, std::string(1000, 'x'), {}), "f:1:1: long\n");
}

TEST(DiagnosticReportTest, ColoursAreForThoseWhoWantThem) {
  EXPECT_EQ(DiagnosticText({"f", {1, 1}, "odd"}, "x", {.color = true}),
            "\033[1mf:1:1:\033[0m odd\n  \033[2m1 | \033[0mx\n  \033[2m  | \033[0m"
            "\033[1;31m^\033[0m\n");
}

TEST(DiagnosticReportTest, EndsAfterAHundred) {
  std::vector<config::Diagnostic> many(150, {"/no/such/file", {1, 1}, "odd"});
  EXPECT_TRUE(DiagnosticTexts(many, {}).ends_with("and 50 more; fix the first ones, then see\n"));
}

}  // namespace
}  // namespace tiffin::gateway
