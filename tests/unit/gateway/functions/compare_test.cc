#include "gateway/functions/compare.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/common/log/log_capture.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <typename T>
Value Scores(const std::vector<std::vector<T>>& rows) {
  std::string bytes;
  for (const std::vector<T>& row : rows) {
    bytes.append(reinterpret_cast<const char*>(row.data()), row.size() * sizeof(T));
  }
  return HeapValue(sizeof(T) == 4 ? DataType::kFp32 : DataType::kFp64,
                   {static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size())},
                   bytes);
}

FunctionArgument Argument(std::string origin, ValueType type) {
  return {.keyword = "", .origin = std::move(origin), .type = std::move(type), .literal = {}};
}

class CompareTest : public testing::Test {
 protected:
  absl::StatusOr<std::vector<std::string>> Compare(const Value& a, const Value& b) {
    const auto function = MakeCompare(std::vector{Argument("model_a", TensorType(a.dtype, {-1})),
                                                  Argument("model_b", TensorType(b.dtype, {-1}))});
    if (!function.ok()) return function.status();
    const std::vector<Value> inputs = {a, b};
    const auto result = (*function)->Run(
        inputs, FunctionContext{.service = "demo", .api = "predict", .request_id = "r\"1"});
    if (!result.ok()) return result.status();
    EXPECT_EQ(result->rows(), a.rows());
    const TensorView view = *result->View();
    std::vector<std::string> texts;
    const auto elements = ParseBytesElements(view.bytes);
    for (const std::string_view text : *elements) texts.emplace_back(text);
    return texts;
  }
  std::string ErrorOf(const std::vector<FunctionArgument>& arguments) {
    const auto function = MakeCompare(arguments);
    EXPECT_FALSE(function.ok());
    return std::string(Message(function.status()));
  }

  log::LogCapture log_;
};

TEST_F(CompareTest, AgreementHasItsFixedForm) {
  EXPECT_THAT(*Compare(Scores<float>({{0.01f, 0.01f, 0.98f}}), Scores<float>({{0, 0.01f, 0.99f}})),
              ElementsAre("2 (agree: model_a 2 0.98, model_b 2 0.99)"));
}

TEST_F(CompareTest, DisagreementHasItsFixedForm) {
  EXPECT_THAT(*Compare(Scores<float>({{0.51f, 0.49f}}), Scores<float>({{0.12f, 0.88f}})),
              ElementsAre("disagree: model_a 0 0.51, model_b 1 0.88"));
}

TEST_F(CompareTest, TiesGoToTheLowerIndex) {
  EXPECT_THAT(*Compare(Scores<float>({{0.2f, 0.4f, 0.4f}}), Scores<float>({{0.5f, 0.5f, 0}})),
              ElementsAre("disagree: model_a 1 0.40, model_b 0 0.50"));
}

TEST_F(CompareTest, NotANumberIsNeverTheHighest) {
  EXPECT_THAT(*Compare(Scores<float>({{kNan, 0.1f, 0.2f}}), Scores<float>({{0.1f, kNan, 0.2f}})),
              ElementsAre("2 (agree: model_a 2 0.20, model_b 2 0.20)"));
}

TEST_F(CompareTest, NoNumberAtAllIsAnError) {
  const auto result = Compare(Scores<float>({{0.1f, 0.9f}}), Scores<float>({{kNan, kNan}}));
  EXPECT_EQ(result.status(),
            absl::InvalidArgumentError("model_b gave no answer: none of its 2 scores is a number"));
}

TEST_F(CompareTest, InfiniteAndNegativeScoresAreCompared) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(*Compare(Scores<float>({{-2, -1}}), Scores<float>({{-infinity, -infinity}})),
              ElementsAre("disagree: model_a 1 -1.00, model_b 0 -inf"));
}

TEST_F(CompareTest, RowsAreComparedOneByOne) {
  EXPECT_THAT(*Compare(Scores<float>({{1, 0}, {0, 1}}), Scores<float>({{1, 0}, {1, 0}})),
              ElementsAre("0 (agree: model_a 0 1.00, model_b 0 1.00)",
                          "disagree: model_a 1 1.00, model_b 0 1.00"));
}

TEST_F(CompareTest, PrecisionsMayDiffer) {
  EXPECT_THAT(*Compare(Scores<float>({{0, 1}}), Scores<double>({{0, 1}})),
              ElementsAre("1 (agree: model_a 1 1.00, model_b 1 1.00)"));
}

TEST_F(CompareTest, LengthsThatTurnOutUnequalAreAnError) {
  const auto result = Compare(Scores<float>({{0, 1}}), Scores<float>({{0, 1, 2}}));
  EXPECT_EQ(result.status(),
            absl::InvalidArgumentError("the scores to compare differ in shape: model_a gave [1,2] "
                                       "and model_b [1,3]"));
}

TEST_F(CompareTest, NoScoresAreAnError) {
  const auto result = Compare(Scores<float>({{}}), Scores<float>({{}}));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CompareTest, EachRowLeavesOneRecord) {
  ASSERT_TRUE(Compare(Scores<float>({{0.25f, 0.75f}}), Scores<float>({{0.5f, 0.25f}})).ok());
  const std::string text = log_.text();
  ASSERT_THAT(text, testing::StartsWith("info compare {"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  const auto record = nlohmann::json::parse(text.substr(text.find('{')));
  EXPECT_EQ(record, nlohmann::json::parse(R"({"request_id": "r\"1",
      "service": "demo", "api": "predict", "names": ["model_a", "model_b"], "answers": [1, 0],
      "scores": [0.75, 0.5], "agree": false})"));
}

TEST_F(CompareTest, ItsRecordGoesToTheDataLogWhereThereIsOne) {
  const auto function = MakeCompare(std::vector{Argument("a", TensorType(DataType::kFp32, {-1})),
                                                Argument("b", TensorType(DataType::kFp32, {-1}))});
  const std::vector<Value> inputs = {Scores<float>({{0.25f, 0.75f}}),
                                     Scores<float>({{0.5f, 0.25f}})};
  std::vector<std::string> records;
  FunctionContext context{.service = "demo", .api = "predict", .request_id = "r"};
  context.record = [&](std::string json) { records.push_back(std::move(json)); };
  ASSERT_TRUE((*function)->Run(inputs, context).ok());
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(nlohmann::json::parse(records[0]), nlohmann::json::parse(R"({"event": "compare",
      "names": ["a", "b"], "answers": [1, 0], "scores": [0.75, 0.5], "agree": false})"));
}

TEST_F(CompareTest, ArgumentsAreTwoRowsOfScores) {
  const ValueType ten = TensorType(DataType::kFp32, {10});
  EXPECT_THAT(ErrorOf({Argument("a", ten)}), HasSubstr("it is given (a: fp32[10])"));
  EXPECT_THAT(ErrorOf({Argument("a", ten), Argument("b", TensorType(DataType::kFp32, {9}))}),
              HasSubstr("equal length"));
  EXPECT_THAT(ErrorOf({Argument("a", ten), Argument("b", TensorType(DataType::kInt64, {10}))}),
              HasSubstr("b: int64[10]"));
  EXPECT_THAT(ErrorOf({Argument("a", TensorType(DataType::kFp32, {2, 2})), Argument("b", ten)}),
              HasSubstr("a: fp32[2,2]"));
  EXPECT_THAT(ErrorOf({Argument("a", TensorType(DataType::kFp32, {0})), Argument("b", ten)}),
              HasSubstr("a: fp32[0]"));
  EXPECT_THAT(ErrorOf({Argument("a", SingleType(ValueKind::kText)), Argument("b", ten)}),
              HasSubstr("a: text"));
  FunctionArgument named = Argument("b", ten);
  named.keyword = "b";
  EXPECT_THAT(ErrorOf({Argument("a", ten), named}), HasSubstr("b=b: fp32[10]"));
}

}  // namespace
}  // namespace tiffin::gateway
