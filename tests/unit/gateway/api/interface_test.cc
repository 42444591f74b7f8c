#include "gateway/api/interface.h"

#include <algorithm>
#include <span>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway {
namespace {

using testing::FakeServing;
using testing::Framed;
using testing::Raw;
using testing::Spec;

TEST(InterfaceTest, RowsAreShownOnlyWhereClientsChooseThem) {
  EXPECT_EQ(ClientShape(Spec("x", "fp32[64]").type, false), (Shape{64}));
  EXPECT_EQ(ClientShape(Spec("x", "fp32[64]").type, true), (Shape{-1, 64}));
  EXPECT_EQ(ClientShape(Spec("x", "fp32[]").type, false), Shape{});
  EXPECT_EQ(ClientShape(Spec("x", "fp32[]").type, true), Shape{-1});
  EXPECT_EQ(ClientShape(Spec("x", "image").type, false), Shape{1});
  EXPECT_EQ(ClientShape(Spec("x", "image").type, true), Shape{-1});
}

TEST(InterfaceTest, GraphShapesAlwaysHaveTheirRowsFirst) {
  EXPECT_EQ(*GraphShape(Spec("x", "fp32[64]"), false, Shape{64}), (Shape{1, 64}));
  EXPECT_EQ(*GraphShape(Spec("x", "fp32[64]"), true, Shape{3, 64}), (Shape{3, 64}));
  EXPECT_EQ(*GraphShape(Spec("x", "fp32[]"), false, Shape{}), Shape{1});
  EXPECT_EQ(*GraphShape(Spec("x", "text"), false, Shape{1}), Shape{1});
  EXPECT_EQ(*GraphShape(Spec("x", "text"), true, Shape{5}), Shape{5});
}

TEST(InterfaceTest, ReplyShapesAreTheInverse) {
  const auto value = [](DataType dtype, Shape shape) {
    return HeapValue(dtype, std::move(shape), "");
  };
  EXPECT_EQ(*ReplyShape(Spec("x", "fp32[2]"), false, value(DataType::kFp32, {1, 2})), Shape{2});
  EXPECT_EQ(*ReplyShape(Spec("x", "fp32[2]"), true, value(DataType::kFp32, {7, 2})), (Shape{7, 2}));
  EXPECT_EQ(*ReplyShape(Spec("x", "text"), false, value(DataType::kBytes, {1})), Shape{1});
}

TEST(InterfaceTest, UndeclaredOutputsAreInternalErrors) {
  for (const Value& value :
       {HeapValue(DataType::kFp64, {1, 2}, ""), HeapValue(DataType::kFp32, {2, 2}, ""),
        HeapValue(DataType::kFp32, {1, 3}, ""), HeapValue(DataType::kFp32, {}, "")}) {
    EXPECT_EQ(ReplyShape(Spec("x", "fp32[2]"), false, value).status().code(),
              absl::StatusCode::kInternal);
  }
}

TEST(InterfaceTest, WhatIsReadIsCheckedOnceItIsThere) {
  FakeServing serving;
  std::string content = Framed({"good"});
  const auto read = [&](std::span<std::byte> bytes) {
    std::ranges::copy(AsBytes(content), bytes.begin());
    return absl::OkStatus();
  };
  const auto value = ReadInput(Spec("x", "text"), false, Shape{1}, content.size(), read, serving);
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(testing::Content(*value), Framed({"good"}));
  EXPECT_EQ(serving.copies, 1);

  content[0] = '\xff';
  EXPECT_EQ(
      ReadInput(Spec("x", "text"), false, Shape{1}, content.size(), read, serving).status().code(),
      absl::StatusCode::kInvalidArgument);
  content = Framed({"\xff"});
  EXPECT_EQ(
      ReadInput(Spec("x", "text"), false, Shape{1}, content.size(), read, serving).status(),
      absl::InvalidArgumentError("input 'x' is text, but not valid UTF-8; encode it as UTF-8"));
}

TEST(InterfaceTest, NothingIsReadWhereTheSizeIsWrong) {
  FakeServing serving;
  const auto read = [](std::span<std::byte> /*bytes*/) {
    ADD_FAILURE() << "it was read";
    return absl::OkStatus();
  };
  EXPECT_EQ(ReadInput(Spec("x", "fp32[4]"), false, Shape{4}, 1 << 30, read, serving).status(),
            absl::InvalidArgumentError(
                "input 'x': FP32 of shape [4] needs 16 bytes, but there are 1073741824"));
  EXPECT_EQ(ReadInput(Spec("x", "fp32[4]"), false, Shape{5}, 20, read, serving).status(),
            absl::InvalidArgumentError("input 'x' has shape [5], expected [4]"));
}

TEST(InterfaceTest, RowsOfAllInputsMustBeTheSame) {
  FakeServing serving;
  PlannedApi& api = serving.AddApi("s", "a", {Spec("x", "text"), Spec("y", "text")}, {});
  api.has_rows = true;
  const Interface target = InterfaceOf(&api);
  const auto value = [](int64_t rows) { return HeapValue(DataType::kBytes, {rows}, ""); };
  EXPECT_EQ(CompleteInputs(target, {value(2), value(2)})->rows, 2);
  EXPECT_EQ(CompleteInputs(target, {value(2), value(3)}).status(),
            absl::InvalidArgumentError("input 'y' has 3 rows, but 'x' has 2; all need the same"));
}

TEST(InterfaceTest, MoreRowsThanARunnerTakesAreRefused) {
  RunnerEntry entry{.service = "s", .runner = "r", .method = "run", .signature = {}, .backend = ""};
  entry.signature = {.inputs = {Spec("x", "text")}, .outputs = {}, .batchable = true};
  entry.signature.max_batch_size = 8;
  const auto complete = [&](int64_t rows) {
    return CompleteInputs(InterfaceOf(&entry), {HeapValue(DataType::kBytes, {rows}, "")});
  };
  EXPECT_EQ(complete(8)->rows, 8);
  EXPECT_EQ(complete(9).status(),
            absl::InvalidArgumentError(
                "'s.r' takes at most 8 rows in one request (its max_batch_size), not 9; send them "
                "in several requests, or to an API, which may have any number of rows"));
  entry.signature.max_batch_size = 0;
  EXPECT_EQ(complete(100'000)->rows, 100'000);
}

TEST(InterfaceTest, RowsThatCostNothingAreLimited) {
  const TensorSpec spec = Spec("x", "fp32[-1]");
  EXPECT_TRUE(GraphShape(spec, true, Shape{1000, 0}).ok());
  EXPECT_FALSE(GraphShape(spec, true, Shape{int64_t{1} << 40, 0}).ok());
}

}  // namespace
}  // namespace tiffin::gateway
