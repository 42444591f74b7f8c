#include "gateway/monitor/record.h"

#include <numeric>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway {
namespace {

using nlohmann::json;

std::string Floats(const std::vector<float>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float)};
}

std::string Framed(const std::vector<std::string>& elements) {
  std::string framed;
  for (const std::string& element : elements) AppendBytesElement(element, framed);
  return framed;
}

DataRecord::Value Numbers(Shape shape, const std::vector<float>& numbers) {
  Shape row(shape.begin() + 1, shape.end());
  return {.name = "v",
          .type = TensorType(DataType::kFp32, row),
          .dtype = DataType::kFp32,
          .shape = std::move(shape),
          .bytes = Floats(numbers)};
}

DataRecord::Value Single(ValueKind kind, const std::vector<std::string>& elements) {
  return {.name = "v",
          .type = SingleType(kind),
          .dtype = DataType::kBytes,
          .shape = {static_cast<int64_t>(elements.size())},
          .bytes = Framed(elements)};
}

DataRecord Record(DataRecord::Value value) {
  DataRecord record;
  record.time = absl::FromUnixMicros(1'700'000'000'123'456);
  record.service = "demo";
  record.api = "predict";
  record.request_id = "r\"1";
  record.trace = {.trace_high = 1, .trace_low = 2, .span = 3};
  record.values.push_back(std::move(value));
  return record;
}

json Written(const DataRecord& record) { return json::parse(ToJson(record))["values"]["v"]; }

TEST(RecordTest, ALineSaysWhichRequestAndWhen) {
  DataRecord record = Record(Numbers({1, 2}, {0.5, 1}));
  record.records = {R"({"event":"compare","agree":true})"};
  EXPECT_EQ(json::parse(ToJson(record)), json::parse(R"({"time": "2023-11-14T22:13:20.123456Z",
      "request_id": "r\"1", "trace_id": "00000000000000010000000000000002", "service": "demo",
      "api": "predict", "values": {"v": [0.5, 1]},
      "records": [{"event": "compare", "agree": true}]})"));
  EXPECT_EQ(ToJson(record).find('\n'), std::string::npos);
}

TEST(RecordTest, TensorsAreNestedListsWithTheirRowsWhereClientsSeeThem) {
  DataRecord record = Record(Numbers({2, 2}, {1, 2, 3, 4}));
  record.has_rows = true;
  EXPECT_EQ(Written(record), json::parse("[[1, 2], [3, 4]]"));
  EXPECT_EQ(Written(Record(Numbers({1, 2, 2}, {1, 2, 3, 4}))), json::parse("[[1, 2], [3, 4]]"));
  EXPECT_EQ(Written(Record(Numbers({1}, {7}))), 7);
}

TEST(RecordTest, LargeTensorsAreCut) {
  std::vector<float> numbers(kMaxRecordedElements);
  std::iota(numbers.begin(), numbers.end(), 0.0F);
  const json cut = Written(Record(Numbers({1, 100, 100}, numbers)));
  EXPECT_EQ(cut["dtype"], "fp32");
  EXPECT_EQ(cut["shape"], json::parse("[100, 100]"));
  EXPECT_EQ(cut["first"].size(), static_cast<size_t>(kMaxRecordedElements));
  EXPECT_EQ(cut["first"][999], 999);
}

TEST(RecordTest, TextIsTextAndJsonIsJson) {
  EXPECT_EQ(Written(Record(Single(ValueKind::kText, {"a\n\"b\" \xFF"}))), "a\n\"b\" ?");
  EXPECT_EQ(Written(Record(Single(ValueKind::kJson, {R"({"a": [1]})"}))),
            json::parse(R"({"a": [1]})"));
  const std::string large(2 * kMaxRecordedText, 'x');
  EXPECT_LE(Written(Record(Single(ValueKind::kText, {large}))).get<std::string>().size(),
            kMaxRecordedText);
  EXPECT_LE(Written(Record(Single(ValueKind::kJson, {"\"" + large + "\""}))).dump().size(),
            kMaxRecordedText + 20);
}

TEST(RecordTest, NobodyCanBeginALineOfHisOwn) {
  const std::string line =
      ToJson(Record(Single(ValueKind::kJson, {"{\"a\":\n1,\r\n\"b\":\"\\n\"}"})));
  EXPECT_EQ(line.find_first_of("\r\n"), std::string::npos);
  EXPECT_EQ(json::parse(line)["values"]["v"], json::parse(R"({"a": 1, "b": "\n"})"));
}

TEST(RecordTest, ImagesAndBytesAreDigestsUnlessPayloadsAreWanted) {
  for (const ValueKind kind : {ValueKind::kImage, ValueKind::kBytes}) {
    DataRecord record = Record(Single(kind, {"abc"}));
    const json digest = json::parse(
        R"({"size": 3,
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"})");
    EXPECT_EQ(Written(record), digest);
    record.payloads = true;
    EXPECT_EQ(Written(record)["base64"], "YWJj");
    record.payloads = false;
    record.has_rows = true;
    EXPECT_EQ(Written(record), json::array({digest}));
  }
}

TEST(RecordTest, ATypeThatJsonHasNotIsDescribed) {
  DataRecord::Value half = Numbers({1, 2}, {0});
  half.dtype = DataType::kFp16;
  EXPECT_EQ(Written(Record(half)), json::parse(R"({"dtype": "fp16", "shape": [2]})"));
}

}  // namespace
}  // namespace tiffin::gateway
