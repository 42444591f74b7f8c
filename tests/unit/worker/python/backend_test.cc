#include "worker/python/backend.h"

#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/memory_outputs.h"
#include "tests/unit/worker/read_only_inputs.h"

namespace tiffin::worker {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

// The code of runners, each in a file of its own.
class PythonBackendTest : public ::testing::Test {
 protected:
  PythonBackendTest() { fs::create_directories(folder_); }
  ~PythonBackendTest() override { fs::remove_all(folder_); }

  // The class R whose body this is.
  absl::StatusOr<std::unique_ptr<Backend>> Create(
      const std::string& body, nlohmann::json options = nlohmann::json::object()) {
    // Modules have names in the one interpreter of this process.
    static int files = 0;
    const fs::path file = folder_ / StrCat("runner_", ++files, ".py");
    std::ofstream(file) << "import numpy as np\nimport tiffin\nclass R:\n" << body;
    BackendConfig config;
    config.source =
        SourceConfig{.file = file, .class_name = "R", .environment = TIFFIN_ENVIRONMENT};
    config.options = std::move(options);
    return CreatePythonBackend(config);
  }
  std::unique_ptr<Backend> Make(const std::string& body,
                                nlohmann::json options = nlohmann::json::object()) {
    auto backend = Create(body, std::move(options));
    if (!backend.ok()) ADD_FAILURE() << backend.status();
    return backend.ok() ? *std::move(backend) : nullptr;
  }

  const fs::path folder_ = fs::path(::testing::TempDir()) / StrCat("runners-", getpid());
  MemoryOutputs outputs_;
  ReadOnlyInputs inputs_;
};

constexpr char kDouble[] = R"(
  @tiffin.method(inputs={"x": "fp32[-1]"}, outputs={"y": "fp32[-1]"}, retry_safe=True)
  def run(self, x):
    return x * np.float32(2)
)";

TEST_F(PythonBackendTest, RunsOnReadOnlyMemory) {
  const auto backend = Make(kDouble);
  inputs_.Add<float>(DataType::kFp32, {3}, {1, 2, 3});
  ASSERT_TRUE(inputs_.Run(*backend, outputs_).ok());
  EXPECT_THAT(outputs_.Values<float>(0), ElementsAre(2, 4, 6));
}

TEST_F(PythonBackendTest, TheSignatureIsWhatTheClassSays) {
  const auto backend = Make(
      "  @tiffin.method(batchable=True)\n"
      "  def texts(self, texts: list[str]) -> list[tiffin.Json]: pass\n"
      "  def helper(self, x): pass\n"
      "  def run(self, photo: tiffin.Image, data: bytes) -> str: pass\n");
  MethodSignature run;
  run.inputs = {{"photo", SingleType(ValueKind::kImage)}, {"data", SingleType(ValueKind::kBytes)}};
  run.outputs = {{"output", SingleType(ValueKind::kText)}};
  run.retry_safe = false;
  MethodSignature texts;
  texts.inputs = {{"texts", SingleType(ValueKind::kText)}};
  texts.outputs = {{"output", SingleType(ValueKind::kJson)}};
  texts.batchable = true;
  texts.retry_safe = false;
  EXPECT_EQ(backend->signature(), (Signature{{"run", run}, {"texts", texts}}));
}

TEST_F(PythonBackendTest, WhatTheMethodSeesOfItsCall) {
  const auto backend = Make(R"(
  def run(self, text: str) -> tiffin.Json:
    context = tiffin.context()
    return [context.request_ids, str(context.time_left()), context.cancelled, context.rows]
)");
  inputs_.AddElements({1}, {""});
  ASSERT_TRUE(inputs_.Run(*backend, outputs_).ok());
  EXPECT_EQ(ParseBytesElements(outputs_.at(0).bytes)->front(), R"([[], "inf", false, 1])");
}

// An execution with all that the runtime gives.
struct RunAround {
  int kept = 0;
  absl::Status Run(Backend& backend, Outputs& outputs, const std::vector<TensorView>& inputs) {
    const Invocation invocation{
        .method = "run",
        .inputs = inputs,
        .rows = 1,
        .abandoned = [] { return true; },
        .time_left = [] { return absl::Seconds(3); },
        .origins =
            [] {
              return std::vector<CallOrigin>{{"one", {}}, {"two", {}}};
            },
        .keep = [this]() -> absl::StatusOr<std::shared_ptr<const void>> {
          ++kept;
          return std::shared_ptr<const void>(
              &kept, [](const void* counter) { --*static_cast<int*>(const_cast<void*>(counter)); });
        }};
    return backend.Run(invocation, outputs);
  }
};

TEST_F(PythonBackendTest, TheCallIsThatOfTheRuntime) {
  const auto backend = Make(R"(
  def run(self, text: str) -> tiffin.Json:
    context = tiffin.context()
    return [context.request_ids, context.time_left(), context.cancelled]
)");
  std::string framed;
  AppendBytesElement("x", framed);
  RunAround around;
  ASSERT_TRUE(around.Run(*backend, outputs_, {{DataType::kBytes, {1}, AsBytes(framed)}}).ok());
  EXPECT_EQ(ParseBytesElements(outputs_.at(0).bytes)->front(), R"([["one", "two"], 3.0, true])");
}

constexpr char kKeeps[] = R"(
  kept = None
  @tiffin.method(inputs={"x": "fp32[-1]"}, outputs={"y": "fp32[-1]"})
  def run(self, x):
    if len(x) == 1:
      R.kept = None
    elif len(x) == 2:
      R.kept = x
    elif len(x) == 3:
      R.kept = tiffin.empty(3, "fp32")
      return R.kept
    return x + 0
)";

TEST_F(PythonBackendTest, WhatIsKeptIsHeldUntilItIsLetGo) {
  const auto backend = Make(kKeeps);
  const std::vector<float> numbers = {1, 2, 3};
  RunAround around;
  for (const int64_t kept : {2, 3}) {
    MemoryOutputs outputs;
    const absl::Status status = around.Run(
        *backend, outputs,
        {{DataType::kFp32,
          {kept},
          std::as_bytes(std::span(numbers)).first(static_cast<size_t>(kept) * sizeof(float))}});
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(status.message(), AllOf(HasSubstr(kept == 2 ? "'x'" : "'y'"), HasSubstr("copy()")));
    EXPECT_EQ(around.kept, 1);
    MemoryOutputs after;
    ASSERT_TRUE(around
                    .Run(*backend, after,
                         {{DataType::kFp32, {1}, std::as_bytes(std::span(numbers)).first(4)}})
                    .ok());
    EXPECT_EQ(around.kept, 0);
  }
}

TEST_F(PythonBackendTest, NoRoomForAnOutputIsToldAsItIs) {
  const auto backend = Make(kDouble);
  inputs_.Add<float>(DataType::kFp32, {3}, {1, 2, 3});
  MemoryOutputs full(/*limit=*/4);
  EXPECT_EQ(inputs_.Run(*backend, full).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(PythonBackendTest, EmptyTellsWhatItCannotMake) {
  const auto backend = Make(R"(
  @tiffin.method(inputs={"how": "text"}, outputs={"y": "fp32[2]", "z": "int64[-1]"})
  def run(self, how):
    if how == "type": tiffin.empty(2, np.float64)
    if how == "shape": tiffin.empty(3, "fp32")
    if how == "name": tiffin.empty(2, "fp32", output="w")
    if how == "again": tiffin.empty(2, "fp32"), tiffin.empty(2, "fp32")
    if how == "other":
      tiffin.empty(4, "int64")
      return {"y": np.zeros(2, np.float32), "z": np.zeros(5, np.int64)}
    y = tiffin.empty((2,), "fp32", output="y")
    y[:] = 1
    return {"y": y, "z": np.arange(3)}
)");
  const auto run = [&](const std::string& how) {
    ReadOnlyInputs inputs;
    MemoryOutputs outputs;
    return std::string(inputs.AddElements({1}, {how}).Run(*backend, outputs).message());
  };
  EXPECT_EQ(run(""), "");
  EXPECT_THAT(run("type"), HasSubstr("no output of float64 takes the shape [2]"));
  EXPECT_THAT(run("shape"), HasSubstr("no output of float32 takes the shape [3]"));
  EXPECT_THAT(run("name"), HasSubstr("no output 'w'"));
  EXPECT_THAT(run("again"), HasSubstr("no output of float32"));
  EXPECT_THAT(run("other"), HasSubstr("tiffin.empty had made it of the shape [4]"));
}

TEST_F(PythonBackendTest, ScalarsAndNoElementsAreArraysToo) {
  const auto backend = Make(R"(
  @tiffin.method(inputs={"x": "int64[]", "y": "fp32[0,2]"}, outputs={"a": "int64[]", "b": "fp32[0,2]"})
  def run(self, x, y):
    return {"a": x[()] + 1, "b": y}
)");
  inputs_.Add<int64_t>(DataType::kInt64, {}, {41}).Add<float>(DataType::kFp32, {0, 2}, {});
  ASSERT_TRUE(inputs_.Run(*backend, outputs_).ok());
  EXPECT_THAT(outputs_.Values<int64_t>(0), ElementsAre(42));
  EXPECT_EQ(outputs_.at(1).shape, (Shape{0, 2}));
}

TEST_F(PythonBackendTest, EveryTypeOfElementIsNumpys) {
  for (const DataType dtype :
       {DataType::kBool, DataType::kUint8, DataType::kUint16, DataType::kUint32, DataType::kUint64,
        DataType::kInt8, DataType::kInt16, DataType::kInt32, DataType::kInt64, DataType::kFp16,
        DataType::kFp32, DataType::kFp64, DataType::kBf16}) {
    const std::string type = StrCat(ToLower(DataTypeName(dtype)), "[2]");
    const auto backend = Make(StrCat("  @tiffin.method(inputs={'x': '", type, "'}, outputs={'y': '",
                                     type, "'})\n  def run(self, x): return x[::-1]\n"));
    ASSERT_NE(backend, nullptr) << type;
    std::vector<uint8_t> bytes(2 * ElementSize(dtype), 0);
    bytes[0] = 1;
    MemoryOutputs outputs;
    ReadOnlyInputs inputs;
    const absl::Status status = inputs.Add<uint8_t>(dtype, {2}, bytes).Run(*backend, outputs);
    ASSERT_TRUE(status.ok()) << type << status;
    EXPECT_EQ(outputs.at(0).dtype, dtype);
    EXPECT_EQ(outputs.Values<uint8_t>(0)[ElementSize(dtype)], 1) << type;
  }
}

TEST_F(PythonBackendTest, OptionsAreTheUsersOwn) {
  const auto backend = Make(
      "  def load(self, options): self.options = options\n"
      "  def run(self, text: str) -> tiffin.Json: return self.options\n",
      {{"a", {1, 2.5, "ü"}}, {"b", nullptr}});
  inputs_.AddElements({1}, {""});
  ASSERT_TRUE(inputs_.Run(*backend, outputs_).ok());
  EXPECT_EQ(ParseBytesElements(outputs_.at(0).bytes)->front(),
            R"({"a": [1, 2.5, "ü"], "b": null})");
  EXPECT_THAT(Create("  def run(self, text: str) -> str: pass\n", {{"a", 1}}).status().message(),
              HasSubstr("no method load(self, options)"));
}

TEST_F(PythonBackendTest, ThereIsOneEnvironmentInAProcess) {
  Make(kDouble);
  BackendConfig config;
  config.source = SourceConfig{.file = folder_ / "x.py", .class_name = "R", .environment = {}};
  EXPECT_THAT(CreatePythonBackend(config).status().message(), HasSubstr("this process has Python"));
}

TEST_F(PythonBackendTest, WithoutCodeThereIsNone) {
  EXPECT_THAT(CreatePythonBackend({}).status().message(), HasSubstr("write python: \"FILE.py"));
}

}  // namespace
}  // namespace tiffin::worker
