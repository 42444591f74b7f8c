#include "gateway/graph/rows.h"

#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/graph/fakes.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;

TEST(RowsTest, RowsOfNumbersAreViewedWithoutTheirDimension) {
  Value value = Numbers({1, 2, 3, 4, 5, 6});
  value.shape = {3, 2};
  const auto rows = RowReader::Create(value);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->rows(), 3);
  EXPECT_EQ(rows->View(1).shape, Shape({2}));
  EXPECT_THAT(rows->View(1).As<int64_t>(), ElementsAre(3, 4));
  EXPECT_EQ(rows->Rows(2, 1).shape, Shape({1, 2}));
  EXPECT_THAT(NumbersOf(rows->Rows(2, 1)), ElementsAre(5, 6));
}

TEST(RowsTest, RowsOfBytesAreCutBetweenElements) {
  Value value = Texts({"a", "", "ccc", "dd"});
  value.shape = {2, 2};
  const auto rows = RowReader::Create(value);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(TextsOf(rows->Rows(0, 1)), ElementsAre("a", ""));
  EXPECT_THAT(TextsOf(rows->Rows(1, 1)), ElementsAre("ccc", "dd"));
}

TEST(RowsTest, SeveralRowsAreAPartOfTheValueAndKeepIt) {
  std::optional<RowReader> reader = *RowReader::Create(Numbers({1, 2, 3, 4}));
  const std::byte* bytes = reader->value().View()->bytes.data();

  const Value middle = reader->Rows(1, 2);
  reader.reset();

  EXPECT_EQ(middle.View()->bytes.data(), bytes + sizeof(int64_t));
  EXPECT_THAT(NumbersOf(middle), ElementsAre(2, 3));
  const Value last = RowReader::Create(middle)->Rows(1, 1);
  EXPECT_THAT(NumbersOf(last), ElementsAre(3));
}

TEST(RowsTest, BrokenFramingIsRefused) {
  const Value value = HeapValue(DataType::kBytes, {2}, std::string("\5\0\0\0ab", 6));
  EXPECT_EQ(RowReader::Create(value).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(RowsTest, TooFewElementsAreRefused) {
  Value value = Texts({"a", "b"});
  value.shape = {3};
  EXPECT_EQ(RowReader::Create(value).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(RowsTest, GatheringPutsRowsInOrder) {
  const std::vector<Value> values = {Numbers({1}), Numbers({2, 3}), Numbers({4})};
  const auto gathered = GatherRows(values);
  ASSERT_TRUE(gathered.ok()) << gathered.status();
  EXPECT_EQ(gathered->shape, Shape({4}));
  EXPECT_THAT(NumbersOf(*gathered), ElementsAre(1, 2, 3, 4));
}

TEST(RowsTest, GatheringRefusesAnotherShape) {
  Value wide = Numbers({1, 2});
  wide.shape = {1, 2};
  const std::vector<Value> values = {Numbers({1}), wide};
  EXPECT_EQ(GatherRows(values).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(RowsTest, GatheringOneValueIsThatValue) {
  const std::vector<Value> values = {Numbers({1, 2})};
  EXPECT_EQ(GatherRows(values)->buffer, values[0].buffer);
}

TEST(RowsTest, RepeatingARowOnceIsTheValueItself) {
  const Value value = Numbers({7});
  EXPECT_EQ(RepeatRow(value, 1)->buffer, value.buffer);
  EXPECT_THAT(NumbersOf(*RepeatRow(value, 3)), ElementsAre(7, 7, 7));
}

}  // namespace
}  // namespace tiffin::gateway
