#include "gateway/monitor/data_log.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/common/log/log_capture.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/gateway/graph/execution_fixture.h"
#include "tests/unit/sanitized.h"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> LinesOf(const fs::path& path) {
  std::ifstream stream(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// An API whose input, a number, is written down.
class DataLogTest : public ExecutionTest {
 protected:
  DataLogTest() {
    builder.AddInput().AddOutput(Input(0));
    config::MonitorConfig monitor;
    monitor.file = "m.jsonl";
    monitor.rotate_size = 4096;
    monitor.rotate_keep = 2;
    SetMonitor(monitor);
  }

  void SetMonitor(const config::MonitorConfig& monitor) {
    builder.plan.monitor = {.config = monitor,
                            .values = {{.name = "in0", .source = Input(0), .type = kNumber}}};
    service_.name = "service";
    service_.apis = {config::ApiConfig{}};
    service_.apis[0].name = "api";
    service_.apis[0].monitor = monitor;
  }

  std::unique_ptr<DataLog> Open(DataLogLimits limits = {}) {
    auto opened = DataLog::Open(folder_.path(), {&service_, 1}, limits);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  // A request with the input `number`, to its end.
  void Run(DataLog& log, int64_t number) {
    monitored = true;
    Start({Numbers({number})});
    RunPosted();
    ASSERT_TRUE(result.has_value() && result->ok());
    log.Add(*execution);
  }
  // Until the writer has failed to write `count` records.
  static void AwaitDropped(const DataLog& log, uint64_t count = 1) {
    while (log.dropped() < count) std::this_thread::yield();
  }
  fs::path Path(const std::string& name = "m.jsonl") { return fs::path(folder_.path()) / name; }

  TemporaryFolder folder_;
  config::ServiceConfig service_;
};

TEST_F(DataLogTest, EachRequestIsALine) {
  auto log = Open();
  for (int64_t i = 0; i < 3; ++i) Run(*log, i);
  EXPECT_EQ(log->dropped(), 0U);
  log.reset();
  const auto lines = LinesOf(Path());
  ASSERT_THAT(lines, SizeIs(3));
  for (int64_t i = 0; i < 3; ++i) {
    const json record = json::parse(lines[static_cast<size_t>(i)]);
    EXPECT_EQ(record["values"], json({{"in0", i}}));
    EXPECT_EQ(record["request_id"], "request");
    EXPECT_EQ(record["api"], "api");
  }
}

TEST_F(DataLogTest, FilesAreRotated) {
  auto log = Open();
  for (int64_t i = 0; i < 200; ++i) Run(*log, i);
  log.reset();
  size_t lines = 0;
  for (const char* name : {"m.jsonl", "m.1.jsonl", "m.2.jsonl"}) {
    EXPECT_LE(fs::file_size(Path(name)), 4096U);
    for (const std::string& line : LinesOf(Path(name))) {
      EXPECT_TRUE(json::accept(line));
      ++lines;
    }
  }
  EXPECT_GT(lines, 20U);
  EXPECT_FALSE(fs::exists(Path("m.3.jsonl")));
}

TEST_F(DataLogTest, TheNextServerGoesOnWithTheFile) {
  Run(*Open(), 1);
  Run(*Open(), 2);
  EXPECT_THAT(LinesOf(Path()), SizeIs(2));
}

TEST_F(DataLogTest, WhatIsTooMuchIsDroppedAndTold) {
  const log::LogCapture captured;
  auto log = Open({.records = 1024, .bytes = 1});
  for (int64_t i = 0; i < 10; ++i) Run(*log, i);
  EXPECT_EQ(log->dropped(), 10U);
  log.reset();
  EXPECT_THAT(LinesOf(Path()), IsEmpty());
  EXPECT_THAT(captured.text(), HasSubstr("10 records of monitors were dropped"));
}

// Who reads these bytes dies.
class UntouchableBuffer : public Buffer {
 public:
  UntouchableBuffer() { EXPECT_NE(page_, MAP_FAILED); }
  ~UntouchableBuffer() override { munmap(page_, kSize); }
  absl::StatusOr<std::span<const std::byte>> Bytes() const override {
    return std::span(static_cast<const std::byte*>(page_), kSize);
  }
  uint64_t size() const override { return kSize; }

 private:
  static constexpr size_t kSize = 4096;
  void* const page_ = mmap(nullptr, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
};

TEST_F(DataLogTest, WhatIsDroppedIsNotCopied) {
  auto log = Open({.records = 1024, .bytes = 1});
  monitored = true;
  Start({Value{
      .dtype = DataType::kInt64, .shape = {1}, .buffer = std::make_shared<UntouchableBuffer>()}});
  RunPosted();
  log->Add(*execution);
  EXPECT_EQ(log->dropped(), 1U);
}

// A limit of this process', while it lives: as if the disk, or something else, were full.
class ResourceLimit {
 public:
  ResourceLimit(__rlimit_resource resource, rlim_t most) : resource_(resource) {
    getrlimit(resource_, &before_);
    const rlimit limit = {.rlim_cur = most, .rlim_max = before_.rlim_max};
    setrlimit(resource_, &limit);
  }
  ~ResourceLimit() { setrlimit(resource_, &before_); }
  ResourceLimit(const ResourceLimit&) = delete;
  ResourceLimit& operator=(const ResourceLimit&) = delete;

 private:
  const __rlimit_resource resource_;
  rlimit before_{};
};

TEST_F(DataLogTest, AFullDiskCostsRecordsAndNothingElse) {
  const log::LogCapture captured;
  {
    const ResourceLimit full(RLIMIT_FSIZE, 1000);
    auto log = Open();
    for (int64_t i = 0; i < 20; ++i) Run(*log, i);
    log.reset();
  }
  const size_t whole = LinesOf(Path()).size();
  EXPECT_GT(whole, 0U);
  EXPECT_LT(whole, 20U);
  EXPECT_THAT(captured.text(), HasSubstr("m.jsonl can't be written"));
  EXPECT_THAT(captured.text(), HasSubstr("records of monitors were dropped"));
}

TEST_F(DataLogTest, AfterAFullDiskItGoesOnWithALineOfItsOwn) {
  const log::LogCapture captured;
  auto log = Open();
  {
    const ResourceLimit full(RLIMIT_FSIZE, 1000);
    for (int64_t i = 0; i < 20; ++i) Run(*log, i);
    AwaitDropped(*log);
  }
  Run(*log, 100);
  log.reset();
  EXPECT_THAT(captured.text(), HasSubstr("m.jsonl can be written again"));
  const auto lines = LinesOf(Path());
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                          [](const std::string& line) { return !json::accept(line); }),
            1);  // The one that was cut.
  EXPECT_EQ(json::parse(lines.back())["values"]["in0"], 100);
}

TEST_F(DataLogTest, AFileThatCouldNotBeRotatedIsOpenedAgain) {
  if (kChecksNeedDescriptors) GTEST_SKIP() << "the sanitizer needs descriptors itself";
  Run(*Open(), 0);
  const size_t line = fs::file_size(Path());
  config::MonitorConfig monitor;
  monitor.file = "m.jsonl";
  monitor.rotate_size = 2 * line + 5;
  monitor.rotate_keep = 1;
  SetMonitor(monitor);
  const log::LogCapture captured;
  auto log = Open();
  {
    const ResourceLimit no_more_files(RLIMIT_NOFILE, 0);
    Run(*log, 1'000'000'000);  // Too long for the rest of the file, so that it is rotated.
    AwaitDropped(*log);
    Run(*log, 1);  // Short enough.
    AwaitDropped(*log, 2);
  }
  Run(*log, 2);
  log.reset();
  EXPECT_THAT(captured.text(), HasSubstr("m.jsonl can be written again"));
  const auto lines = LinesOf(Path());
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(json::parse(lines.front())["values"]["in0"], 2);
}

TEST_F(DataLogTest, ALineThatTheLastServerCutIsNotGoneOnWith) {
  std::ofstream(Path()) << "{\"time\":";
  Run(*Open(), 1);
  const auto lines = LinesOf(Path());
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_TRUE(json::accept(lines.back()));
}

TEST_F(DataLogTest, AShareOfTheRequestsIsSampled) {
  config::MonitorConfig monitor;
  monitor.file = "m.jsonl";
  monitor.sample = 0.25;
  SetMonitor(monitor);
  auto log = Open();
  int sampled = 0;
  for (int i = 0; i < 10'000; ++i) sampled += log->Samples(*builder.plan.monitor) ? 1 : 0;
  EXPECT_GT(sampled, 2000);
  EXPECT_LT(sampled, 3000);
}

TEST_F(DataLogTest, WhatCannotBeWrittenIsAnErrorAtTheStart) {
  const auto error = [&](const fs::path& folder) {
    return std::string(DataLog::Open(folder, {&service_, 1}).status().message());
  };
  std::ofstream(Path("file")) << "x";
  EXPECT_THAT(error(Path("file")), HasSubstr("is no folder"));
  fs::create_directory(Path("m.jsonl"));
  EXPECT_THAT(error(folder_.path()), HasSubstr("is no regular file"));
  fs::remove(Path("m.jsonl"));
  ASSERT_EQ(mkfifo(Path("m.jsonl").c_str(), 0600), 0);
  EXPECT_THAT(error(folder_.path()), HasSubstr("is no regular file"));
  EXPECT_THAT(error("/proc/none"), HasSubstr("is no folder"));
}

TEST_F(DataLogTest, TwoServicesDoNotShareAFile) {
  std::vector<config::ServiceConfig> services = {service_, service_};
  services[1].name = "other";
  EXPECT_THAT(std::string(DataLog::Open(folder_.path(), services).status().message()),
              HasSubstr("service 'other', api 'api': the monitor's file 'm.jsonl' is that of"));
}

}  // namespace
}  // namespace tiffin::gateway
