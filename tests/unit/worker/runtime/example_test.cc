#include "worker/runtime/example.h"

#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/runtime/controlled_backend.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Keeps the inputs of the last execution.
struct Seen {
  std::vector<Shape> shapes;
  std::vector<std::string> bytes;
};

MethodSignature From(TensorSpec input, bool batchable) {
  MethodSignature run;
  run.outputs = {{"out", input.type}};
  run.inputs = {std::move(input)};
  run.batchable = batchable;
  return run;
}

class ExampleTest : public ::testing::Test {
 protected:
  // Runs the example of a method that gives its input back, unless told otherwise.
  absl::Status Run(const MethodSignature& method, const json& example) {
    ControlledBackend backend(
        {{"run", method}}, [&](const Invocation& invocation, Outputs& outputs) {
          EXPECT_EQ(invocation.rows, 1);
          for (const TensorView& input : invocation.inputs) {
            seen_.shapes.push_back(input.shape);
            seen_.bytes.emplace_back(AsStringView(input.bytes));
            EXPECT_TRUE(ValidateTensor(input).ok());
            EXPECT_EQ(reinterpret_cast<uintptr_t>(input.bytes.data()) % 64, 0U);
          }
          return behavior_(invocation, outputs);
        });
    const absl::Status status = RunExample(backend, example);
    executions_ = backend.executions().size();
    return status;
  }

  ControlledBackend::Behavior behavior_ = Identity;
  Seen seen_;
  size_t executions_ = 0;
};

TEST_F(ExampleTest, RunsOnZerosWithoutAnExample) {
  const absl::Status ran =
      Run(From({"in", TensorType(DataType::kInt16, {2, -1})}, /*batchable=*/true), json::object());

  EXPECT_TRUE(ran.ok()) << ran;
  ASSERT_EQ(executions_, 1U);
  EXPECT_THAT(seen_.shapes.front(), ElementsAre(1, 2, 1));
  EXPECT_EQ(seen_.bytes.front(), std::string(4, '\0'));
}

TEST_F(ExampleTest, RunsOnTheRowThatIsKept) {
  const absl::Status ran = Run(From({"in", TensorType(DataType::kUint8, {2, 2})}, false),
                               {{"run", {{"in", {{1, 2}, {3, 4}}}}}});

  EXPECT_TRUE(ran.ok()) << ran;
  EXPECT_THAT(seen_.shapes.front(), ElementsAre(2, 2));
  EXPECT_EQ(seen_.bytes.front(), "\1\2\3\4");
}

TEST_F(ExampleTest, AnOpenDimensionIsAsLongAsTheExample) {
  const absl::Status ran =
      Run(From({"in", TensorType(DataType::kUint8, {-1})}, true), {{"run", {{"in", {5, 6, 7}}}}});

  EXPECT_TRUE(ran.ok()) << ran;
  EXPECT_THAT(seen_.shapes.front(), ElementsAre(1, 3));
}

TEST_F(ExampleTest, ATextIsOneElement) {
  const absl::Status ran =
      Run(From({"in", SingleType(ValueKind::kText)}, false), {{"run", {{"in", "tiffin"}}}});

  EXPECT_TRUE(ran.ok()) << ran;
  EXPECT_THAT(seen_.shapes.front(), ElementsAre(1));
  EXPECT_EQ(seen_.bytes.front(), std::string("\6\0\0\0tiffin", 10));
}

TEST_F(ExampleTest, WithoutAnExampleMethodsOfImagesAndTextAreNotRun) {
  EXPECT_TRUE(Run(From({"in", SingleType(ValueKind::kImage)}, false), json::object()).ok());

  EXPECT_EQ(executions_, 0U);
}

TEST_F(ExampleTest, AnExampleOfTheWrongLengthIsRefused) {
  const absl::Status ran =
      Run(From({"in", TensorType(DataType::kFp32, {3})}, false), {{"run", {{"in", {1, 2}}}}});

  EXPECT_TRUE(absl::IsInvalidArgument(ran)) << ran;
  EXPECT_THAT(std::string(ran.message()), AllOf(HasSubstr("'in'"), HasSubstr("2"), HasSubstr("3")));
  EXPECT_EQ(executions_, 0U);
}

TEST_F(ExampleTest, ANumberThatTheTypeDoesNotHaveIsRefused) {
  const std::pair<DataType, std::vector<json>> cases[] = {
      {DataType::kBool, {2, -1, 0.5}},
      {DataType::kUint8, {300, 256, -1, 1.5, 256.0, -1.0, 1e300}},
      {DataType::kInt8, {128, -129, 128.0}},
      {DataType::kInt32, {int64_t{1} << 31, -(int64_t{1} << 31) - 1}},
      {DataType::kUint64, {-1, 18446744073709551616.0}},
      {DataType::kInt64, {uint64_t{1} << 63, 9223372036854775808.0}},
      {DataType::kFp32, {1e300}},
  };
  for (const auto& [dtype, numbers] : cases) {
    for (const json& number : numbers) {
      const absl::Status ran = Run(From({"in", TensorType(dtype, {1})}, false),
                                   {{"run", {{"in", json::array({number})}}}});
      EXPECT_TRUE(absl::IsInvalidArgument(ran)) << ran;
      EXPECT_THAT(std::string(ran.message()),
                  HasSubstr("the example's 'in': " + number.dump() + " is no " +
                            std::string(DataTypeName(dtype))));
    }
  }
  EXPECT_EQ(executions_, 0U);
}

TEST_F(ExampleTest, WholeNumbersKeepAllTheirDigits) {
  for (const int64_t number : {std::numeric_limits<int64_t>::min(), (int64_t{1} << 53) + 1,
                               std::numeric_limits<int64_t>::max()}) {
    seen_ = {};
    const absl::Status ran = Run(From({"in", TensorType(DataType::kInt64, {1})}, false),
                                 {{"run", {{"in", json::array({number})}}}});
    ASSERT_TRUE(ran.ok()) << ran;
    int64_t got = 0;
    std::memcpy(&got, seen_.bytes.front().data(), sizeof(got));
    EXPECT_EQ(got, number);
  }
}

TEST_F(ExampleTest, WholeNumbersMayBeWrittenWithAPoint) {
  const absl::Status ran = Run(From({"in", TensorType(DataType::kUint8, {2})}, false),
                               {{"run", {{"in", {255.0, true}}}}});

  EXPECT_TRUE(ran.ok()) << ran;
  EXPECT_EQ(seen_.bytes.front(), "\xff\1");
}

TEST_F(ExampleTest, ATypeThatNoExampleCanHaveIsRefused) {
  const absl::Status ran =
      Run(From({"in", TensorType(DataType::kFp16, {1})}, false), json::object());

  EXPECT_THAT(std::string(ran.message()), HasSubstr("FP16"));
}

TEST_F(ExampleTest, ABackendsErrorIsTold) {
  behavior_ = [](const Invocation&, Outputs&) { return absl::FailedPreconditionError("no"); };

  const absl::Status ran =
      Run(From({"in", TensorType(DataType::kFp32, {1})}, false), json::object());

  EXPECT_TRUE(absl::IsFailedPrecondition(ran)) << ran;
  EXPECT_THAT(std::string(ran.message()), AllOf(HasSubstr("'run'"), HasSubstr("no")));
}

TEST_F(ExampleTest, AnOutputThatIsNotWhatTheSignatureSaysIsRefused) {
  behavior_ = [](const Invocation&, Outputs& outputs) {
    return outputs.Allocate(0, DataType::kFp32, Shape{2}, 8).status();
  };

  const absl::Status ran =
      Run(From({"in", TensorType(DataType::kFp32, {1})}, false), json::object());

  EXPECT_TRUE(absl::IsInvalidArgument(ran)) << ran;
  EXPECT_THAT(std::string(ran.message()),
              AllOf(HasSubstr("'out'"), HasSubstr("FP32[2]"), HasSubstr("FP32[1]")));
}

TEST_F(ExampleTest, AnOutputLeftOutIsRefused) {
  behavior_ = [](const Invocation&, Outputs&) { return absl::OkStatus(); };

  const absl::Status ran =
      Run(From({"in", TensorType(DataType::kFp32, {1})}, false), json::object());

  EXPECT_THAT(std::string(ran.message()), HasSubstr("'out'"));
}

TEST_F(ExampleTest, RunsEveryMethod) {
  const MethodSignature method = From({"in", TensorType(DataType::kFp32, {1})}, true);
  ControlledBackend backend({{"first", method}, {"second", method}}, Identity);

  EXPECT_TRUE(RunExample(backend, json::object()).ok());

  ASSERT_EQ(backend.executions().size(), 2U);
  EXPECT_EQ(backend.executions()[0].method, "first");
  EXPECT_EQ(backend.executions()[1].method, "second");
}

}  // namespace
}  // namespace tiffin::worker
