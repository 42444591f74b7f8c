#include "common/config/service_keys.h"

#include <functional>
#include <regex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/config/name_hint.h"
#include "common/config/service.h"
#include "common/strings.h"

// The patterns, which the JSON schema has, against the parsers, which the checker has.
namespace tiffin::config {
namespace {

bool Reads(const std::string& yaml) {
  Diagnostics diagnostics("f");
  ParseService(yaml, "f", diagnostics);
  return diagnostics.empty();
}

// What a service file with `value` at its place is, as the checker sees it.
bool ReadsRunner(std::string_view value) {
  return Reads(StrCat("service: s\nrunners:\n  r: {", value, "}\n"));
}
bool ReadsApi(std::string_view input, std::string_view rest) {
  return Reads(
      StrCat("service: s\napis:\n  p:\n    input: {x: ", input, "}\n    output: {y: x}\n", rest));
}

void Compare(const keys::Text& text, const std::vector<std::string>& values,
             const std::function<bool(const std::string&)>& reads) {
  const std::regex pattern(text.pattern.begin(), text.pattern.end());
  for (const std::string& value : values) {
    EXPECT_EQ(std::regex_match(value, pattern), reads(value)) << value;
  }
}

TEST(ServiceKeysTest, NamesAreWhatTheirPatternMatches) {
  Compare(keys::kName, {"a", "a_1", "truely", "true", "false", "A", "1a", "_a", "a-b", "a.b", ""},
          [](const std::string& name) { return NameError("step", name).empty(); });
}

TEST(ServiceKeysTest, ModelsAreWhatTheirPatternMatches) {
  Compare(kModelText,
          {"m:1", "m:007", "m:latest", "truer:1", "m", "m:", "m:0", "m:-1", "m:x", "true:1", "M:1",
           "../m:1", "m:1:2", "m:latest "},
          [](const std::string& model) { return ReadsRunner("model: \"" + model + "\""); });
}

TEST(ServiceKeysTest, PythonCodeIsWhatItsPatternMatches) {
  Compare(kPythonText,
          {"a.py:A", "../a b/c.py:_A1", "/a.py:A", "a.py", "a.py:", ":A", ".py:A", "a/.py:A",
           "a.py:1A", "a.py:A.b", "a.pyc:A", "a:b.py:A", "a.py:A "},
          [](const std::string& code) { return ReadsRunner("python: \"" + code + "\""); });
}

TEST(ServiceKeysTest, DevicesAreWhatTheirPatternMatches) {
  Compare(kDeviceText,
          {"cpu", "cuda:0", "cuda:999", "cuda", "cuda:", "cuda:01", "cuda:1000", "cuda:x", "gpu"},
          [](const std::string& device) {
            return ReadsRunner("backend: image, device: \"" + device + "\"");
          });
}

TEST(ServiceKeysTest, InputTypesAreWhatTheirPatternMatches) {
  std::vector<std::string> types = {
      "image",        " text ",         "json",     "bytes",    "image[rows]",  "text [ rows ]",
      "bytes[rows]",  "fp32[rows]",     "fp32[]",   "fp32[ ]",  "fp32[64]",     "fp32[-1, 3]",
      "fp32[rows,8]", "fp32[ rows ,8]", "bytes[3]", "fp33[1]",  "FP32[1]",      "fp32",
      "fp32[8",       "fp32[8]x",       "fp32[,8]", "fp32[8,]", "fp32[8,rows]", "fp32[-2]",
      "text[3]",      "image[]",        "photo",    "fp32[a]"};
  for (int dtype = 1; IsDataType(static_cast<uint32_t>(dtype)); ++dtype) {
    types.push_back(ToLower(DataTypeName(static_cast<DataType>(dtype))) + "[2]");
  }
  Compare(kInputTypeText, types,
          [](const std::string& type) { return ReadsApi("\"" + type + "\"", ""); });
}

TEST(ServiceKeysTest, ReferencesAreWhatTheirPatternMatches) {
  Compare(kReferenceText,
          {"x", "x.Scores", " x . y ", "truest", "true", "true.x", "X", "x.", ".x", "x.1", "x y",
           "f(x)", "'text'", "1", "x.y.z"},
          [](const std::string& reference) {
            return ReadsApi("text", "    monitor: {file: m, values: [\"" + reference + "\"]}\n");
          });
}

TEST(ServiceKeysTest, WhatIsACallMatchesItsPattern) {
  Compare(kCallText,
          {"f()", "f(x)", "f(x, 'text', k=[1, [2]])", "f.Method(x)", " f ( x ) ", "f.run (a.b)",
           "f", "f(x", "F(x)", "true(x)", "f(x))x", "f.(x)", "3", "f.1(x)", "f x(y)"},
          [](const std::string& call) {
            return ReadsApi("text", "    steps: {s: \"" + call + "\"}\n");
          });
}

TEST(ServiceKeysTest, MonitorFilesAreWhatTheirPatternMatches) {
  Compare(kMonitorFileText,
          {"m", "digits.jsonl", "_x", "9", "a-b", std::string(100, 'a'), std::string(101, 'a'),
           ".hidden", "..", "-x", "a/b", "a b", "\\u00e9"},
          [](const std::string& file) {
            return ReadsApi("text", "    monitor: {file: \"" + file + "\", values: [x]}\n");
          });
}

}  // namespace
}  // namespace tiffin::config
