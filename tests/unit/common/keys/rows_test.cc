#include "common/keys/rows.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"

namespace tiffin::keys {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

constexpr std::array<Key, 1> kInnerKeys = {
    {{.name = "max", .form = Integer{.min = 0, .max = 9, .fallback = 4}, .meaning = "The most"}}};
constexpr Section kInner = {.keys = kInnerKeys};
constexpr std::array<Key, 3> kOuterKeys = {{
    {.name = "runners",
     .form = Named{.noun = "runner", .example = "", .section = &kInner},
     .meaning = "Runners",
     .required = "runners: ..."},
    {.name = "queue", .form = Nested{.section = &kInner}, .meaning = "The queue"},
    {.name = "inputs",
     .form = List{.noun = "inputs", .item = &kInner},
     .meaning = "Inputs",
     .otherwise = "none"},
}};

TEST(RowsTest, EachMappingHasATableWithItsPath) {
  EXPECT_THAT(TablesOf({.keys = kOuterKeys}),
              ElementsAre(Field(&Table::path, ""), Field(&Table::path, "runners.NAME"),
                          Field(&Table::path, "queue"), Field(&Table::path, "inputs[]")));
}

TEST(RowsTest, ARowSaysWhatTheTableSays) {
  const std::vector<Row> rows = RowsOf(kInnerKeys);
  ASSERT_EQ(rows.size(), 1);
  EXPECT_EQ(rows[0].name, "max");
  EXPECT_EQ(rows[0].value, "a whole number from 0 to 9");
  EXPECT_EQ(rows[0].fallback, "4");
  EXPECT_EQ(rows[0].meaning, "The most");
  EXPECT_FALSE(rows[0].is_required);
  EXPECT_TRUE(RowsOf(kOuterKeys)[0].is_required);
  EXPECT_EQ(RowsOf(kOuterKeys)[2].fallback, "none");
}

TEST(RowsTest, FlagsTellTheirTypeDefaultAndVariable) {
  CLI::App app("An app.", "app");
  std::string address = "here";
  bool json = false;
  int loops = 1;
  std::vector<std::string> files;
  app.add_option("--address", address, "Where")->envname("APP_ADDRESS")->capture_default_str();
  auto* flag = app.add_flag("--json", json, "Print JSON");
  app.add_option("--loops", loops, "Threads")->check(CLI::Range(1, 64))->excludes(flag);
  app.add_option("files", files, "Files")->required();

  const std::vector<Row> rows = FlagRows(app);

  ASSERT_THAT(rows, ElementsAre(Field(&Row::name, "--address"), Field(&Row::name, "--json"),
                                Field(&Row::name, "--loops"), Field(&Row::name, "files")));
  EXPECT_EQ(rows[0].fallback, "here");
  EXPECT_EQ(rows[0].meaning, "Where (or $APP_ADDRESS)");
  EXPECT_THAT(rows[1].value, IsEmpty());
  EXPECT_EQ(rows[2].value, "INT in [1 - 64]");
  EXPECT_EQ(rows[2].meaning, "Threads (not with --json)");
  EXPECT_TRUE(rows[3].is_required);
}

}  // namespace
}  // namespace tiffin::keys
