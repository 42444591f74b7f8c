#include "common/config/monitor.h"

#include <string>
#include <utility>
#include <vector>

#include "common/config/service.h"
#include "gtest/gtest.h"

namespace tiffin::config {
namespace {

// A service whose only api has `monitor`, on line 6 from column 14.
std::string WithMonitor(const std::string& monitor) {
  return "service: s\napis:\n  p:\n    input: {x: text}\n    output: {y: x}\n    monitor: " +
         monitor + "\n";
}

MonitorConfig Read(const std::string& monitor) {
  Diagnostics diagnostics("f");
  const ServiceConfig service = ParseService(WithMonitor(monitor), "f", diagnostics);
  EXPECT_EQ(diagnostics.ToString(), "");
  return service.apis.at(0).monitor.value_or(MonitorConfig{});
}

TEST(MonitorTest, IsReadWhole) {
  const MonitorConfig monitor = Read(
      "{file: a.b-C_1.jsonl, rotate: {size: 128KiB, keep: 0}, sample: 0.25, payloads: true, "
      "values: [x, step.out, y]}");
  EXPECT_EQ(monitor.file, "a.b-C_1.jsonl");
  EXPECT_EQ(monitor.rotate_size, 128U << 10);
  EXPECT_EQ(monitor.rotate_keep, 0);
  EXPECT_EQ(monitor.sample, 0.25);
  EXPECT_TRUE(monitor.payloads);
  ASSERT_EQ(monitor.values.size(), 3U);
  EXPECT_EQ(monitor.values[1].reference, (Reference{.name = "step", .output = "out"}));
  EXPECT_EQ(monitor.values[1].location.line, 6);
}

TEST(MonitorTest, HasDefaults) {
  const MonitorConfig monitor = Read("{file: \"m.jsonl\", values: [x]}");
  EXPECT_EQ(monitor.rotate_size, 64U << 20);
  EXPECT_EQ(monitor.rotate_keep, 5);
  EXPECT_EQ(monitor.sample, 1);
  EXPECT_FALSE(monitor.payloads);
}

TEST(MonitorTest, WhatIsWrongIsSaidAtItsPlace) {
  const std::string file =
      "'file' must be a plain name such as \"digits.jsonl\", without folders: "
      "where it lies is said by --monitor-dir";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"on",
       "f:6:14: 'monitor' must be a mapping with the keys file, rotate, sample, values, payloads, "
       "not "
       "'on'"},
      {"{values: [x]}", "'monitor' has no 'file'; add {file: \"digits.jsonl\""},
      {"{file: m}", "'monitor' has no 'values'; add {file: \"digits.jsonl\""},
      {"{file: a/b, values: [x]}", "f:6:21: " + file},
      {"{file: .., values: [x]}", "f:6:21: " + file},
      {"{file: .hidden, values: [x]}", file},
      {"{file: 'a b', values: [x]}", file},
      {"{file: " + std::string(101, 'a') + ", values: [x]}", file},
      {"{file: m, values: []}",
       "f:6:32: 'values' must be a list of inputs, steps and outputs such "
       "as [photo, scores], not an empty one"},
      {"{file: m, values: x}", "such as [photo, scores], not 'x'"},
      {"{file: m, values: [x, x]}", "f:6:36: 'x' is named twice; remove one"},
      {"{file: m, values: [\"f(x)\"]}", "f:6:3"},
      {"{file: m, values: [x], sample: 0}",
       "'sample' must be a number above 0, at most 1, not '0'"},
      {"{file: m, values: [x], sample: 1.5}", "'sample' must be a number above 0, at most 1"},
      {"{file: m, values: [x], payloads: 1}", "'payloads' must be true or false, not '1'"},
      {"{file: m, values: [x], rotate: {size: 64}}",
       "'size' must be a whole number with its unit (KiB, MiB, GiB), such as 64MiB, not '64'"},
      {"{file: m, values: [x], rotate: {size: 1KiB}}", "'size' must be from 4KiB to 1024GiB"},
      {"{file: m, values: [x], rotate: {size: 99999999999999999GiB}}", "'size' must be from 4KiB"},
      {"{file: m, values: [x], rotate: {keep: -1}}",
       "'keep' must be a whole number from 0 to 1000, not '-1'"},
      {"{file: m, values: [x], rotation: {}}", "unknown key 'rotation'"},
  };
  for (const auto& [monitor, expected] : cases) {
    Diagnostics diagnostics("f");
    ParseService(WithMonitor(monitor), "f", diagnostics);
    EXPECT_NE(diagnostics.ToString().find(expected), std::string::npos)
        << monitor << " gave: " << diagnostics.ToString();
  }
}

TEST(MonitorTest, TwoApisDoNotShareAFile) {
  Diagnostics diagnostics("f");
  ParseService(
      "service: s\napis:\n"
      "  p: {input: {x: text}, output: {y: x}, monitor: {file: m, values: [x]}}\n"
      "  q: {input: {x: text}, output: {y: x}, monitor: {file: m, values: [x]}}\n",
      "f", diagnostics);
  EXPECT_EQ(diagnostics.ToString(),
            "f:4:57: the file 'm' is that of api 'p' too; name another one");
}

}  // namespace
}  // namespace tiffin::config
