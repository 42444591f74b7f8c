#include "common/config/service.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/strings.h"

namespace tiffin::config {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

const fs::path kExample = fs::path(TIFFIN_EXAMPLES) / "inference_graph_demo" / "service.yaml";

// A folder of its own, removed with what is in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "tiffin_config_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  fs::path Write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path_ / name;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

ServiceConfig Parse(std::string_view yaml) {
  Diagnostics diagnostics("f");
  ServiceConfig service = ParseService(yaml, "f", diagnostics);
  EXPECT_TRUE(diagnostics.empty()) << diagnostics.ToString();
  return service;
}

TEST(ServiceTest, ReadsTheRunnersOfTheExample) {
  const auto service = LoadService(kExample);
  ASSERT_TRUE(service.ok()) << service.status();
  EXPECT_EQ(service->file, kExample);
  EXPECT_EQ(service->name, "inference_graph_demo");
  ASSERT_EQ(service->runners.size(), 3u);

  const RunnerConfig* preprocess = service->FindRunner("preprocess");
  ASSERT_NE(preprocess, nullptr);
  EXPECT_EQ(preprocess->backend, "image");
  EXPECT_EQ(preprocess->model, "");
  EXPECT_EQ(
      preprocess->options,
      nlohmann::json({{"color", "gray"}, {"size", {8, 8}}, {"scale", 0.0625}, {"layout", "flat"}}));
  EXPECT_TRUE(preprocess->options["size"][0].is_number_integer());
  EXPECT_EQ(preprocess->replicas, std::nullopt);
  EXPECT_EQ(preprocess->queue_max, kDefaultQueueMax);
  EXPECT_EQ(preprocess->start_timeout, kDefaultStartTimeout);
  EXPECT_EQ(preprocess->resources.cpu, std::nullopt);
  EXPECT_EQ(preprocess->resources.threads, std::nullopt);
  EXPECT_EQ(preprocess->device, std::nullopt);

  const RunnerConfig* model_b = service->FindRunner("model_b");
  ASSERT_NE(model_b, nullptr);
  EXPECT_EQ(model_b->model, "digits_torch:latest");
  EXPECT_EQ(model_b->backend, "");
  EXPECT_EQ(model_b->resources.cpu, 1.0);
  EXPECT_EQ(model_b->replicas, 1);
  EXPECT_EQ(model_b->queue_max, 1024);
  EXPECT_EQ(preprocess->batching.has_value(), false);
  ASSERT_TRUE(model_b->batching.has_value());
  EXPECT_EQ(model_b->batching->max_batch_size, 32);
  EXPECT_EQ(model_b->batching->max_delay, absl::Milliseconds(2));
  EXPECT_EQ(service->FindRunner("model_c"), nullptr);
}

TEST(ServiceTest, ReadsHowLongARunnersStartMayTake) {
  const ServiceConfig service =
      Parse("service: s\nrunners:\n  r: {backend: image, start_timeout: 90s}\n");

  EXPECT_EQ(service.FindRunner("r")->start_timeout, absl::Seconds(90));
}

TEST(ServiceTest, BatchingIsOffOrHasLimits) {
  const auto batching = [](const std::string& written) {
    return Parse("service: s\nrunners: {r: {backend: image, batching: " + written + "}}\n")
        .runners.at(0)
        .batching.value();
  };
  EXPECT_EQ(batching("off").policy, BatchingPolicy::kOff);
  EXPECT_EQ(batching("{max_batch_size: 8}").max_batch_size, 8);
  EXPECT_EQ(batching("{max_batch_size: 8}").max_delay, kDefaultMaxDelay);
  EXPECT_EQ(batching("{max_delay: 500us}").max_batch_size, kDefaultMaxBatchSize);
  EXPECT_EQ(batching("{max_delay: 500us}").max_delay, absl::Microseconds(500));
  EXPECT_EQ(batching("{max_delay: 500us}").policy, BatchingPolicy::kAdaptive);
  EXPECT_EQ(batching("{policy: adaptive}").policy, BatchingPolicy::kAdaptive);
  EXPECT_EQ(batching("{policy: fixed}").policy, BatchingPolicy::kFixed);
}

TEST(ServiceTest, ReadsTheGraphOfTheExample) {
  const auto service = LoadService(kExample);
  ASSERT_TRUE(service.ok()) << service.status();
  ASSERT_EQ(service->apis.size(), 1u);
  const ApiConfig& api = service->apis[0];
  EXPECT_EQ(api.name, "predict");
  EXPECT_EQ(api.timeout, absl::Seconds(10));
  ASSERT_EQ(api.inputs.size(), 1u);
  EXPECT_EQ(api.inputs[0].name, "input_image");
  EXPECT_EQ(api.inputs[0].type, SingleType(ValueKind::kImage));
  EXPECT_FALSE(api.inputs[0].has_rows);
  ASSERT_EQ(api.steps.size(), 4u);
  EXPECT_EQ(api.steps[1].name, "a");
  EXPECT_EQ(api.steps[1].call.callee, "model_a");
  EXPECT_EQ(std::get<Reference>(api.steps[1].call.arguments.at(0).value).name, "features");
  EXPECT_EQ(api.steps[3].call.callee, "compare");
  EXPECT_EQ(api.steps[3].timeout, std::nullopt);
  EXPECT_EQ(api.steps[3].retries, std::nullopt);
  ASSERT_EQ(api.outputs.size(), 1u);
  EXPECT_EQ(api.outputs[0].name, "verdict");
  EXPECT_EQ(api.outputs[0].value.name, "verdict");
}

TEST(ServiceTest, EverythingKeepsItsPlace) {
  const ServiceConfig service = Parse(
      "service: s\n"
      "runners:\n"
      "  r: {model: \"m:1\"}\n"
      "apis:\n"
      "  p:\n"
      "    input: {x: text}\n"
      "    steps:\n"
      "      a: {run: \"r.go(x, k=1)\", retries: 2, timeout: 50ms}\n"
      "    output: {y: a.out}\n");
  EXPECT_EQ(service.name_location, (Location{1, 10}));
  EXPECT_EQ(service.runners.at(0).location, (Location{3, 3}));
  EXPECT_EQ(service.runners.at(0).model_location, (Location{3, 14}));
  const ApiConfig& api = service.apis.at(0);
  EXPECT_EQ(api.location, (Location{5, 3}));
  EXPECT_EQ(api.timeout, kDefaultApiTimeout);
  EXPECT_EQ(api.inputs.at(0).location, (Location{6, 13}));
  const StepConfig& step = api.steps.at(0);
  EXPECT_EQ(step.location, (Location{8, 7}));
  EXPECT_EQ(step.call.location, (Location{8, 17}));
  EXPECT_EQ(step.call.method, "go");
  EXPECT_EQ(step.call.arguments.at(1).location, (Location{8, 25}));
  EXPECT_EQ(step.retries, 2);
  EXPECT_EQ(step.retries_location, (Location{8, 41}));
  EXPECT_EQ(step.timeout, absl::Milliseconds(50));
  EXPECT_EQ(api.outputs.at(0).location, (Location{9, 17}));
  EXPECT_EQ(api.outputs.at(0).value.output, "out");
}

TEST(ServiceTest, InputsMayHaveRows) {
  const ServiceConfig service = Parse(
      "service: s\n"
      "apis:\n"
      "  p:\n"
      "    input: {a: \"fp32[rows,64]\", b: \"fp32[ rows ]\", c: \"image[rows]\", d: "
      "\"bytes[rows]\",\n"
      "            e: \"bytes[rows,2]\", f: \"int64[-1]\", g: \"text\"}\n"
      "    output: {a: a}\n");
  const std::vector<InputConfig>& inputs = service.apis.at(0).inputs;
  ASSERT_EQ(inputs.size(), 7u);
  EXPECT_EQ(inputs[0].type, TensorType(DataType::kFp32, {64}));
  EXPECT_EQ(inputs[1].type, TensorType(DataType::kFp32, {}));
  EXPECT_EQ(inputs[2].type, SingleType(ValueKind::kImage));
  EXPECT_EQ(inputs[3].type, SingleType(ValueKind::kBytes));
  EXPECT_EQ(inputs[4].type, TensorType(DataType::kBytes, {2}));
  EXPECT_EQ(inputs[5].type, TensorType(DataType::kInt64, {-1}));
  for (size_t i = 0; i < 5; ++i) EXPECT_TRUE(inputs[i].has_rows) << i;
  EXPECT_FALSE(inputs[5].has_rows);
  EXPECT_FALSE(inputs[6].has_rows);
}

TEST(ServiceTest, RunnersAloneAreAService) {
  const ServiceConfig service = Parse("service: s\nrunners: {r: {backend: testing}}\n");
  EXPECT_EQ(service.runners.size(), 1u);
  EXPECT_TRUE(service.apis.empty());
}

TEST(ServiceTest, ARunnerMayBePythonCode) {
  const ServiceConfig service = Parse(
      "service: s\n"
      "runners:\n"
      "  a: {python: \"code/clean.py:Clean\", environment: .venv, options: {limit: 3}}\n"
      "  b: {python: clean.py:Clean}\n");
  ASSERT_TRUE(service.runners[0].python.has_value());
  EXPECT_EQ(service.runners[0].python->file, "code/clean.py");
  EXPECT_EQ(service.runners[0].python->class_name, "Clean");
  EXPECT_EQ(service.runners[0].python->environment, ".venv");
  EXPECT_EQ(service.runners[0].backend, "python");
  EXPECT_EQ(service.runners[0].model_location, (Location{3, 15}));
  EXPECT_EQ(service.runners[0].options["limit"], 3);
  EXPECT_EQ(service.runners[1].python->environment, "");
}

TEST(ServiceTest, ResourcesAndDeviceAreRead) {
  const ServiceConfig service = Parse(
      "service: s\n"
      "runners:\n"
      "  a: {backend: testing, resources: {cpu: 1.5, threads: 2}, device: \"cuda:12\"}\n"
      "  b: {backend: testing, resources: {threads: 1024}, device: cpu}\n"
      "  c: {backend: testing, resources: {}, device: cuda:0}\n");
  EXPECT_EQ(service.runners[0].resources.cpu, 1.5);
  EXPECT_EQ(service.runners[0].resources.threads, 2);
  EXPECT_EQ(service.runners[0].device, "cuda:12");
  EXPECT_EQ(service.runners[1].resources.cpu, std::nullopt);
  EXPECT_EQ(service.runners[1].resources.threads, 1024);
  EXPECT_EQ(service.runners[1].device, "cpu");
  EXPECT_EQ(service.runners[2].resources.threads, std::nullopt);
  EXPECT_EQ(service.runners[2].device, "cuda:0");
}

TEST(ServiceTest, WhatCanBeReadIsReturnedBesideTheErrors) {
  Diagnostics diagnostics("f");
  const ServiceConfig service = ParseService(
      "service: s\n"
      "runners: {r: {backend: testing, replicas: none}}\n"
      "apis:\n"
      "  p:\n"
      "    input: {x: imag}\n"
      "    steps: {a: \"r(x\", b: r(a)}\n"
      "    output: {y: b}\n",
      "f", diagnostics);
  EXPECT_EQ(diagnostics.size(), 3u) << diagnostics.ToString();
  ASSERT_EQ(service.runners.size(), 1u);
  EXPECT_EQ(service.runners[0].replicas, std::nullopt);
  ASSERT_EQ(service.apis.size(), 1u);
  EXPECT_EQ(service.apis[0].inputs.at(0).type.dtype, DataType::kInvalid);
  ASSERT_EQ(service.apis[0].steps.size(), 2u);
  EXPECT_EQ(service.apis[0].steps[0].call.callee, "");
  EXPECT_EQ(service.apis[0].steps[1].call.callee, "r");
  EXPECT_EQ(service.apis[0].outputs.size(), 1u);
}

TEST(LoadServiceTest, MissingFileAndFolderAreNotFound) {
  const TemporaryFolder folder;
  const auto missing = LoadService(folder.path() / "none.yaml");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(missing.status())),
              HasSubstr("none.yaml' can't be opened (No such file or directory)"));
  const auto directory = LoadService(folder.path());
  EXPECT_EQ(directory.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(directory.status())), HasSubstr("is a folder"));
}

TEST(LoadServiceTest, ErrorsNameTheFile) {
  const TemporaryFolder folder;
  const auto load = [&](const std::string& text) {
    const fs::path file = folder.Write("s.yaml", text);
    const auto service = LoadService(file);
    EXPECT_EQ(service.status().code(), absl::StatusCode::kInvalidArgument);
    const std::string message(Message(service.status()));
    EXPECT_TRUE(message.starts_with(file.string() + ":")) << message;
    return message.substr(std::min(message.size(), file.string().size()));
  };
  EXPECT_EQ(load(""), ":1:1: the file is empty; write service, runners and apis");
  EXPECT_EQ(load("# only this\n"), ":1:1: the file is empty; write service, runners and apis");
  EXPECT_EQ(load("---\n"), ":1:1: the file is empty; write service, runners and apis");
  EXPECT_EQ(load(std::string((1 << 20) + 1, '#')),
            ":1:1: the file is larger than 1 MiB; a service file has a few lines");
  EXPECT_EQ(load("service: s\nrunners: \xff\n"),
            ":2:10: the byte 0xff is not UTF-8; save the file as UTF-8 text");
  EXPECT_EQ(load("service: s\n\x04runners: {}\n"),
            ":2:1: the control character 0x04 can't be in such a file; remove it");
  EXPECT_EQ(
      load("just text\n"),
      ":1:1: a service file must be a mapping with the keys service, runners, apis, not 'just "
      "text'");
}

TEST(LoadServiceTest, LineEndsOfWindowsAndAByteOrderMarkDoNotMatter) {
  const TemporaryFolder folder;
  const fs::path file =
      folder.Write("s.yaml", "\xEF\xBB\xBFservice: s\r\nrunners:\r\n  r: {backend: testing}\r\n");
  const auto service = LoadService(file);
  ASSERT_TRUE(service.ok()) << service.status();
  EXPECT_EQ(service->runners.at(0).backend, "testing");
  EXPECT_EQ(service->runners.at(0).model_location, (Location{3, 16}));
}

}  // namespace
}  // namespace tiffin::config
