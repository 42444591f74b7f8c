#include "worker/testing/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/worker/backend_config.h"
#include "tests/unit/worker/memory_outputs.h"
#include "tests/unit/worker/read_only_inputs.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::unique_ptr<Backend> Make(const json& options) {
  absl::StatusOr<std::unique_ptr<Backend>> backend = CreateTestingBackend(OptionsConfig(options));
  if (!backend.ok()) ADD_FAILURE() << backend.status();
  return backend.ok() ? *std::move(backend) : nullptr;
}

std::string ErrorOf(const json& options) {
  const absl::Status status = CreateTestingBackend(OptionsConfig(options)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return status.ToString();
}

// A new folder, removed with all that is in it.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tiffin-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path operator/(const char* name) const { return path_ / name; }
  std::string string() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

std::vector<std::string> Lines(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(TestingBackendTest, IdentityGivesRowsBack) {
  const auto backend = Make({{"behavior", "identity"}, {"dtype", "int64"}, {"shape", {3}}});
  ReadOnlyInputs inputs;
  inputs.Add<int64_t>(DataType::kInt64, {2, 3}, {1, 2, 3, 4, 5, 6});
  MemoryOutputs outputs;

  ASSERT_TRUE(inputs.Run(*backend, outputs, 2).ok());

  EXPECT_THAT(outputs.Values<int64_t>(0), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(outputs.at(0).shape, Shape({2, 3}));
  const MethodSignature& run = backend->signature().at("run");
  EXPECT_TRUE(run.batchable);
  EXPECT_EQ(run.inputs[0].name, "INPUT0");
  EXPECT_EQ(run.outputs[0].name, "OUTPUT0");
  EXPECT_EQ(run.outputs[0].type, TensorType(DataType::kInt64, {3}));
}

TEST(TestingBackendTest, IdentityGivesBytesBack) {
  const auto backend = Make({{"behavior", "identity"}, {"dtype", "bytes"}, {"shape", {1}}});
  ReadOnlyInputs inputs;
  inputs.AddElements({2, 1}, {"lunch", ""});
  MemoryOutputs outputs;

  ASSERT_TRUE(inputs.Run(*backend, outputs, 2).ok());

  EXPECT_THAT(*ParseBytesElements(outputs.at(0).bytes), ElementsAre("lunch", ""));
}

TEST(TestingBackendTest, IdentityGivesNothingBackForNothing) {
  const auto backend = Make({{"behavior", "identity"}});
  ReadOnlyInputs inputs;
  inputs.Add<float>(DataType::kFp32, {1, 0}, {});
  MemoryOutputs outputs;

  ASSERT_TRUE(inputs.Run(*backend, outputs).ok());

  EXPECT_TRUE(outputs.at(0).bytes.empty());
}

TEST(TestingBackendTest, OutputsThatDoNotFitFailTheExecution) {
  const auto backend = Make({{"behavior", "identity"}});
  ReadOnlyInputs inputs;
  inputs.Add<float>(DataType::kFp32, {1, 4}, {1, 2, 3, 4});
  MemoryOutputs outputs(/*limit=*/15);

  EXPECT_EQ(inputs.Run(*backend, outputs).code(), absl::StatusCode::kResourceExhausted);
}

TEST(TestingBackendTest, AddSubAddsAndSubtracts) {
  const auto backend = Make({{"behavior", "add_sub"}});
  ReadOnlyInputs inputs;
  inputs.Add(DataType::kInt32, {1, 16}, std::vector<int32_t>(16, INT32_MAX));
  inputs.Add(DataType::kInt32, {1, 16}, std::vector<int32_t>(16, 1));
  MemoryOutputs outputs;

  ASSERT_TRUE(inputs.Run(*backend, outputs).ok());

  EXPECT_THAT(outputs.Values<int32_t>(0), AllOf(SizeIs(16), Each(INT32_MIN)));
  EXPECT_THAT(outputs.Values<int32_t>(1), AllOf(SizeIs(16), Each(INT32_MAX - 1)));
}

TEST(TestingBackendTest, DelayEndsWhenTheFileComes) {
  const Folder folder;
  const auto backend = Make({{"behavior", "delay"}, {"until", (folder / "go").string()}});
  ReadOnlyInputs inputs;
  inputs.Add<float>(DataType::kFp32, {1}, {7});
  MemoryOutputs outputs;

  absl::Status status = absl::UnknownError("not run");
  std::thread runs([&] { status = inputs.Run(*backend, outputs); });
  std::ofstream(folder / "go").put('\n');
  runs.join();

  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(outputs.Values<float>(0), ElementsAre(7));
}

TEST(TestingBackendTest, DelayEndsAtItsBoundWithoutTheFile) {
  const Folder folder;
  const auto backend =
      Make({{"behavior", "delay"}, {"until", (folder / "never").string()}, {"ms", 5}});
  ReadOnlyInputs inputs;
  inputs.Add<float>(DataType::kFp32, {1}, {7});
  MemoryOutputs outputs;

  const absl::Status status = inputs.Run(*backend, outputs);

  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.ToString(), HasSubstr("never"));
}

TEST(TestingBackendTest, DelayTakesItsTime) {
  const auto backend = Make({{"behavior", "delay"}, {"ms", 20}});
  ReadOnlyInputs inputs;
  inputs.Add<float>(DataType::kFp32, {1}, {7});
  MemoryOutputs outputs;
  const auto start = std::chrono::steady_clock::now();

  ASSERT_TRUE(inputs.Run(*backend, outputs).ok());

  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(20));
  EXPECT_FALSE(backend->signature().at("run").batchable);
}

TEST(TestingBackendTest, FailFailsWithItsCodeAsOftenAsAsked) {
  const auto backend = Make({{"behavior", "fail"}, {"code", "UNAVAILABLE"}, {"times", 1}});
  ReadOnlyInputs inputs;
  inputs.Add<float>(DataType::kFp32, {1}, {7});
  MemoryOutputs outputs;

  EXPECT_EQ(inputs.Run(*backend, outputs).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(outputs.size(), 0u);
  EXPECT_TRUE(inputs.Run(*backend, outputs).ok());
  EXPECT_THAT(outputs.Values<float>(0), ElementsAre(7));
}

TEST(TestingBackendTest, FailWithAContentFailsOnThatOnlyInWhicheverRow) {
  const auto backend = Make({{"behavior", "fail"}, {"content", 13}, {"batchable", true}});
  EXPECT_TRUE(backend->signature().at("run").batchable);
  for (const float content : {12.0F, 13.0F}) {
    ReadOnlyInputs inputs;
    inputs.Add<float>(DataType::kFp32, {2, 1}, {1, content});
    MemoryOutputs outputs;

    EXPECT_EQ(inputs.Run(*backend, outputs, 2).ok(), content != 13.0F);
  }
}

TEST(TestingBackendTest, CrashKillsTheProcessOnItsContentOnly) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto text =
      Make({{"behavior", "crash"}, {"dtype", "bytes"}, {"shape", json::array()}, {"content", "x"}});
  ReadOnlyInputs harmless;
  harmless.AddElements({}, {"y"});
  ReadOnlyInputs deadly;
  deadly.AddElements({}, {"x"});
  const auto number = Make({{"behavior", "crash"}, {"content", 13}});
  ReadOnlyInputs with_thirteen;
  with_thirteen.Add<float>(DataType::kFp32, {3}, {1, 13, 2});
  ReadOnlyInputs without;
  without.Add<float>(DataType::kFp32, {2}, {1, 2});
  MemoryOutputs first;
  MemoryOutputs second;

  EXPECT_TRUE(harmless.Run(*text, first).ok());
  EXPECT_TRUE(without.Run(*number, second).ok());
  EXPECT_DEATH((void)deadly.Run(*text, first), "");
  EXPECT_DEATH((void)with_thirteen.Run(*number, second), "");
}

TEST(TestingBackendTest, ConsumeReadsAllThatProduceMakes) {
  const auto produce =
      Make({{"behavior", "produce"}, {"dtype", "uint8"}, {"shape", {-1}}, {"bytes", 600}});
  const auto consume = Make({{"behavior", "consume"}});
  ReadOnlyInputs small;
  small.Add<uint8_t>(DataType::kUint8, {2}, {5, 9});
  MemoryOutputs produced;
  MemoryOutputs consumed;

  ASSERT_TRUE(small.Run(*produce, produced).ok());
  ReadOnlyInputs large;
  large.Add(DataType::kFp32, {150}, produced.Values<float>(0));
  ASSERT_TRUE(large.Run(*consume, consumed).ok());

  EXPECT_EQ(produce->signature().at("run").outputs[0].type, TensorType(DataType::kFp32, {150}));
  const std::vector<float> sums = consumed.Values<float>(0);
  ASSERT_THAT(sums, SizeIs(64));
  // 150 elements are twice each lane, and the first 22 once more.
  for (size_t lane = 0; lane < 64; ++lane) {
    EXPECT_EQ(sums[lane], static_cast<float>((lane < 22 ? 3 : 2) * (5 + lane))) << lane;
  }
}

TEST(TestingBackendTest, BarrierLetsAllPartiesThroughTogether) {
  const Folder folder;
  const auto backend = Make({{"behavior", "barrier"}, {"path", folder.string()}});
  ReadOnlyInputs inputs;
  inputs.Add<float>(DataType::kFp32, {1}, {7});

  for (const char* other : {"1-1", "1-2"}) {
    MemoryOutputs outputs;
    absl::Status status = absl::UnknownError("not run");
    std::thread runs([&] { status = inputs.Run(*backend, outputs); });
    std::ofstream(folder / other).put('\n');
    runs.join();
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST(TestingBackendTest, BarrierDoesNotWaitForeverForTheOthers) {
  const Folder folder;
  const auto backend = Make({{"behavior", "barrier"}, {"path", folder.string()}, {"ms", 5}});
  ReadOnlyInputs inputs;
  inputs.Add<float>(DataType::kFp32, {1}, {7});
  MemoryOutputs outputs;

  EXPECT_EQ(inputs.Run(*backend, outputs).code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(TestingBackendTest, JournalHasALineForEachExecution) {
  const Folder folder;
  const auto backend = Make({{"behavior", "identity"},
                             {"dtype", "bytes"},
                             {"shape", json::array()},
                             {"journal", (folder / "journal").string()}});
  ReadOnlyInputs first;
  first.AddElements({2}, {"one", "two"});
  ReadOnlyInputs second;
  second.AddElements({1}, {"three"});
  MemoryOutputs first_outputs;
  MemoryOutputs second_outputs;

  ASSERT_TRUE(first.Run(*backend, first_outputs, 2).ok());
  ASSERT_TRUE(second.Run(*backend, second_outputs).ok());

  const std::string pid = std::to_string(getpid());
  EXPECT_THAT(Lines(folder / "journal"), ElementsAre(pid + " 2 one", pid + " 1 three"));
}

TEST(TestingBackendTest, MethodsAndRetrySafetyAreAsAsked) {
  const auto backend =
      Make({{"behavior", "identity"}, {"methods", {"encode", "run"}}, {"retry_safe", false}});

  ASSERT_THAT(backend->signature(), SizeIs(2));
  EXPECT_FALSE(backend->signature().at("encode").retry_safe);
}

TEST(TestingBackendTest, WrongOptionsAreNamedWithTheFix) {
  EXPECT_THAT(ErrorOf(json::object()), HasSubstr("'behavior' is null; it must be one of add_sub"));
  EXPECT_THAT(ErrorOf({{"behavior", "nap"}}), HasSubstr("\"nap\"; it must be one of add_sub"));
  EXPECT_THAT(ErrorOf({{"behavior", "identity"}, {"ms", 3}}),
              HasSubstr("unknown option 'ms' of the behavior identity; the options are behavior, "
                        "dtype, journal, load_until, methods, retry_safe, shape"));
  EXPECT_THAT(ErrorOf({{"behavior", "delay"}, {"ms", -3}}), HasSubstr("'ms' is -3"));
  EXPECT_THAT(ErrorOf({{"behavior", "identity"}, {"dtype", "fp33"}}), HasSubstr("\"fp33\""));
  EXPECT_THAT(ErrorOf({{"behavior", "identity"}, {"shape", "x"}}), HasSubstr("'shape' is \"x\""));
  EXPECT_THAT(ErrorOf({{"behavior", "produce"}, {"bytes", 7}}), HasSubstr("a multiple of 4"));
  EXPECT_THAT(ErrorOf({{"behavior", "fail"}, {"code", "OK"}}), HasSubstr("status code"));
  EXPECT_THAT(ErrorOf({{"behavior", "delay"}, {"batchable", 1}}), HasSubstr("true or false"));
  EXPECT_THAT(ErrorOf({{"behavior", "barrier"}}), HasSubstr("needs the option 'path'"));
  EXPECT_THAT(ErrorOf(json::array()), HasSubstr("mapping"));
}

}  // namespace
}  // namespace tiffin::worker
