#include "common/log/log.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::log {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::SizeIs;

// A pipe, or a pair of sockets, with the log at one end.
struct Ends {
  UniqueFd read;
  UniqueFd write;
};

Ends Pipe() {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  return {.read = UniqueFd(ends[0]), .write = UniqueFd(ends[1])};
}

Ends SocketPair() {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  return {.read = UniqueFd(ends[0]), .write = UniqueFd(ends[1])};
}

std::string ReadAll(int descriptor) {
  std::string text;
  char buffer[65536];
  for (ssize_t size = 0; (size = read(descriptor, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(size));
  }
  return text;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  EXPECT_EQ(lines.back(), "") << "the last line has no end";
  lines.pop_back();
  return lines;
}

// What is written to a log that lives as long as `write` runs.
template <typename Write>
std::vector<std::string> Written(Options options, Write write) {
  Ends pipe = Pipe();
  options.descriptor = pipe.write.get();
  {
    Log log(options);
    write(log);
  }
  pipe.write = UniqueFd();
  return Lines(ReadAll(pipe.read.get()));
}

TEST(LogTest, TextIsASentenceForPeople) {
  const auto lines = Written({}, [](Log&) {
    Write(Level::kWarning, "worker_ended", "worker a (pid 7) ended", {{"pid", 7}});
    Record(Level::kInfo, "compare", {{"agree", true}, {"request_id", "r\"1"}});
  });
  ASSERT_THAT(lines, SizeIs(2));
  const std::string time = "20[0-9-]+T[0-9:]+\\.[0-9][0-9][0-9]Z ";
  EXPECT_THAT(lines[0], MatchesRegex(time + "warning worker a \\(pid 7\\) ended"));
  EXPECT_THAT(lines[1], MatchesRegex(time + "info compare \\{.*\\}"));
  EXPECT_EQ(json::parse(lines[1].substr(lines[1].find('{'))),
            json::parse(R"({"agree": true, "request_id": "r\"1"})"));
}

TEST(LogTest, JsonHasTimeLevelMessageAndFields) {
  const json object = {{"nested", {1, 2}}};
  const auto lines = Written({.format = Format::kJson, .worker = "digits.model_a"}, [&](Log&) {
    Write(Level::kError, "failed", "it \xFF failed\nat \"once\"",
          {{"whole", uint64_t{7}}, {"part", 0.5}, {"flag", false}, {"object", object}});
    Record(Level::kInfo, "compare", {{"text", "a\x01z"}});
  });
  ASSERT_THAT(lines, SizeIs(2));
  json first = json::parse(lines[0]);
  EXPECT_THAT(first["time"].get<std::string>(),
              MatchesRegex("20[0-9-]+T[0-9:]+\\.[0-9][0-9][0-9][0-9][0-9][0-9]Z"));
  first.erase("time");
  EXPECT_EQ(first["pid"], getpid());
  first.erase("pid");
  EXPECT_EQ(first, json::parse(R"({"level": "error", "message": "it \ufffd failed\nat \"once\"",
      "event": "failed", "worker": "digits.model_a", "whole": 7, "part": 0.5, "flag": false,
      "object": {"nested": [1, 2]}})"));
  EXPECT_EQ(json::parse(lines[1])["message"], "compare");
  EXPECT_EQ(json::parse(lines[1])["text"], "a\x01z");
}

TEST(LogTest, NobodyCanBeginALineOfHisOwn) {
  const std::string evil = "x\n2026-01-01T00:00:00.000Z info forged\x1B[2J\x01y";
  const auto text = Written({}, [&](Log&) { Write(Level::kInfo, "e", evil); });
  ASSERT_THAT(text, SizeIs(1));
  EXPECT_THAT(text[0], HasSubstr("x\\n2026-01-01T00:00:00.000Z info forged\\x1b[2J\\x01y"));
  const auto lines = Written({.format = Format::kJson}, [&](Log&) {
    Write(Level::kInfo, "e", evil, {{"k", 1}});
  });
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(json::parse(lines[0])["message"], evil);
  EXPECT_EQ(json::parse(lines[0])["k"], 1);
}

TEST(LogTest, TheLevelCanBeChangedAndRestored) {
  const auto lines = Written({.level = Level::kWarning}, [](Log& log) {
    EXPECT_FALSE(Enabled(Level::kInfo));
    Write(Level::kInfo, "e", "unsaid");
    log.Set(Level::kDebug);
    EXPECT_TRUE(Enabled(Level::kDebug));
    EXPECT_FALSE(Enabled(Level::kTrace));
    Write(Level::kDebug, "e", "said");
    log.Restore();
    Write(Level::kInfo, "e", "unsaid");
    Write(Level::kWarning, "e", "said");
  });
  EXPECT_THAT(lines, ::testing::ElementsAre(HasSubstr("debug said"), HasSubstr("warning said")));
}

TEST(LogTest, LevelsHaveNames) {
  for (const auto level :
       {Level::kTrace, Level::kDebug, Level::kInfo, Level::kWarning, Level::kError}) {
    EXPECT_EQ(ParseLevel(LevelName(level)), level);
  }
  EXPECT_EQ(ParseLevel("verbose"), std::nullopt);
  EXPECT_EQ(ParseLevel(""), std::nullopt);
}

class UnreadLogTest : public ::testing::TestWithParam<Ends (*)()> {
 protected:
  static void WriteMuch() {
    for (int i = 0; i < 20'000; ++i) {
      Write(Level::kInfo, "much", std::string(200, 'x'), {{"number", i}});
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, UnreadLogTest, ::testing::Values(Pipe, SocketPair));

TEST_P(UnreadLogTest, NobodyWaitsForIt) {
  Ends ends = GetParam()();
  const absl::Time start = absl::Now();
  {
    Log log({.format = Format::kJson, .queue = 100, .descriptor = ends.write.get()});
    WriteMuch();
    EXPECT_GT(log.lost(), 10'000U);
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(20)) << "the end waited for who doesn't read";
  ends.write = UniqueFd();
  // What did get there is whole, but for the last one.
  const std::string text = ReadAll(ends.read.get());
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  lines.pop_back();
  EXPECT_GT(lines.size(), 50U);
  for (const std::string& line : lines) EXPECT_TRUE(json::accept(line)) << line;
}

TEST_P(UnreadLogTest, WhatIsLostIsTold) {
  Ends ends = GetParam()();
  std::string text;
  std::thread reader;
  uint64_t lost = 0;
  {
    Log log({.format = Format::kJson, .queue = 100, .descriptor = ends.write.get()});
    WriteMuch();
    lost = log.lost();
    reader = std::thread([&] { text = ReadAll(ends.read.get()); });
    Write(Level::kInfo, "last", "the last line");
  }
  ends.write = UniqueFd();
  reader.join();
  uint64_t told = 0;
  uint64_t seen = 0;
  const std::vector<std::string> lines = Lines(text);
  for (const std::string& line : lines) {
    const json record = json::parse(line);
    if (record["event"] == "log_lines_lost") told += record["lost"].get<uint64_t>();
    if (record["event"] == "much") ++seen;
  }
  EXPECT_GE(told, lost);
  EXPECT_EQ(told + seen, 20'000U) << "each line was written, or counted";
  EXPECT_THAT(lines.back(), HasSubstr("the last line"));
}

TEST(LogTest, AFileIsAppendedToWhereItStands) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/log";
  const UniqueFd file(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_EQ(write(file.get(), "before\n", 7), 7);
  {
    Log log({.descriptor = file.get()});
    Write(Level::kInfo, "e", "after");
  }
  std::ifstream stream(path);
  std::stringstream text;
  text << stream.rdbuf();
  EXPECT_THAT(text.str(), AllOf(::testing::StartsWith("before\n"), HasSubstr("info after\n")));
}

TEST(LogTest, AfterAFullDiskTheNextLineIsWhole) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/log";
  const UniqueFd file(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  // As a full disk does: what still fits is written, and the rest is an error.
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit full = before;
  full.rlim_cur = 1000;
  const auto ignored = signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  constexpr uint64_t kLines = 20;
  {
    Log log({.format = Format::kJson, .descriptor = file.get()});
    for (uint64_t i = 0; i < kLines; ++i) Write(Level::kInfo, "much", std::string(100, 'x'));
    const absl::Time give_up = absl::Now() + absl::Seconds(20);
    while (log.lost() == 0 && absl::Now() < give_up) std::this_thread::yield();
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    Write(Level::kInfo, "last", "there is room again");
  }
  signal(SIGXFSZ, ignored);
  std::ifstream stream(path);
  uint64_t seen = 0;
  uint64_t lost = 0;
  uint64_t cut = 0;
  json last;
  for (std::string line; std::getline(stream, line);) {
    const json record = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (record.is_discarded()) {
      ++cut;
      continue;
    }
    if (record["event"] == "much") ++seen;
    if (record["event"] == "log_lines_lost") lost += record["lost"].get<uint64_t>();
    last = record;
  }
  EXPECT_EQ(cut, 1U);
  EXPECT_EQ(seen + lost, kLines) << "each line was written, or counted";
  EXPECT_EQ(last["event"], "last");
}

TEST(LogTest, AReaderThatIsGoneHarmsNobody) {
  Ends pipe = Pipe();
  pipe.read = UniqueFd();
  Log log({.descriptor = pipe.write.get()});
  Write(Level::kInfo, "e", "unheard");
}

}  // namespace
}  // namespace tiffin::log
