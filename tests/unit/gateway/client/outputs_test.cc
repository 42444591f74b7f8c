#include "gateway/client/outputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "common/strings.h"

namespace tiffin::gateway::client {
namespace {

using ::testing::HasSubstr;

// A reply with one output 'out'.
struct Reply {
  Model model;
  inference::ModelInferResponse response;

  Reply(ValueType type, bool has_rows, std::initializer_list<int64_t> shape, std::string raw) {
    model.outputs = {{.spec = {"out", type}, .has_rows = has_rows}};
    auto& output = *response.add_outputs();
    output.set_name("out");
    output.set_datatype(std::string(DataTypeName(type.dtype)));
    for (const int64_t size : shape) output.add_shape(size);
    response.add_raw_output_contents(std::move(raw));
  }
  Output Get() const {
    auto outputs = OutputsOf(model, response);
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    return outputs->front();
  }
};

std::string Framed(std::initializer_list<std::string_view> rows) {
  std::string framed;
  for (const std::string_view row : rows) AppendBytesElement(row, framed);
  return framed;
}

std::string Ints(size_t count) {
  std::vector<int32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return std::string(AsStringView(std::as_bytes(std::span(numbers))));
}

TEST(OutputsTest, TextIsShownAsItIs) {
  const Reply one(SingleType(ValueKind::kText), false, {1}, Framed({"say \"hi\""}));
  EXPECT_EQ(OutputText(one.Get()), "say \"hi\"");
  EXPECT_EQ(OutputJson(one.Get())->dump(), R"("say \"hi\"")");
  EXPECT_EQ(*OutputFile(one.Get(), "f"), "say \"hi\"");
  const Reply rows(SingleType(ValueKind::kText), true, {2}, Framed({"a", "b"}));
  EXPECT_EQ(OutputText(rows.Get()), "a\nb");
  EXPECT_EQ(OutputJson(rows.Get())->dump(), R"(["a","b"])");
  EXPECT_EQ(*OutputFile(rows.Get(), "f"), "[\"a\",\"b\"]\n");
}

TEST(OutputsTest, TheMiddleOfALongTensorIsLeftOut) {
  const ValueType type = TensorType(DataType::kInt32, {-1});
  EXPECT_EQ(OutputText(Reply(type, false, {3}, Ints(3)).Get()), "int32[3] [0, 1, 2]");
  EXPECT_EQ(OutputText(Reply(type, false, {64}, Ints(64)).Get()).find("..."), std::string::npos);
  const Reply lengthy(type, false, {100}, Ints(100));
  EXPECT_EQ(OutputText(lengthy.Get()), "int32[100] [0, 1, 2, ..., 97, 98, 99]");
  EXPECT_EQ(OutputJson(lengthy.Get())->size(), 100);
  EXPECT_EQ(OutputText(Reply(type, true, {2, 50}, Ints(100)).Get()),
            "int32[2,50] [[0, 1, 2, ..., 47, 48, 49], [50, 51, 52, ..., 97, 98, 99]]");
  EXPECT_EQ(OutputText(Reply(type, true, {0, 50}, "").Get()), "int32[0,50] []");
}

TEST(OutputsTest, BytesAreCountedAndWritten) {
  const Reply reply(SingleType(ValueKind::kBytes), false, {1}, Framed({std::string("\0\1", 2)}));
  EXPECT_EQ(OutputText(reply.Get()), "2 bytes; '--output out=FILE' writes them");
  EXPECT_EQ(OutputJson(reply.Get())->dump(), "\"AAE=\"");
  EXPECT_EQ(*OutputFile(reply.Get(), "f"), std::string("\0\1", 2));
}

TEST(OutputsTest, ATensorIsJsonInAFileHoweverManyElementsItHas) {
  const ValueType type = TensorType(DataType::kBytes, {-1});
  EXPECT_EQ(*OutputFile(Reply(type, false, {1}, Framed({"a"})).Get(), "f"), "[\"YQ==\"]\n");
  EXPECT_EQ(*OutputFile(Reply(type, false, {2}, Framed({"a", "b"})).Get(), "f"),
            "[\"YQ==\",\"Yg==\"]\n");
}

TEST(OutputsTest, WhatJsonHasNotIsWrittenAsNpy) {
  const Reply reply(TensorType(DataType::kFp16, {1}), false, {1}, std::string(2, '\0'));
  EXPECT_THAT(OutputText(reply.Get()), HasSubstr("fp16[1]; '--output out=FILE.npy' writes it"));
  EXPECT_THAT(OutputJson(reply.Get()).status().ToString(), HasSubstr("JSON has not"));
  EXPECT_TRUE(OutputFile(reply.Get(), "f.npy")->starts_with("\x93NUMPY"));
}

TEST(OutputsTest, AReplyThatIsNotWhatWasPromisedIsRefused) {
  const auto refused = [](const Reply& reply) {
    return OutputsOf(reply.model, reply.response).status().ToString();
  };
  const ValueType text = SingleType(ValueKind::kText);
  EXPECT_THAT(refused(Reply(text, false, {1}, "x")), HasSubstr("is broken"));
  EXPECT_THAT(refused(Reply(text, false, {0}, "")), HasSubstr("has 0 rows"));
  Reply other(text, false, {1}, Framed({"x"}));
  other.response.mutable_outputs(0)->set_datatype("FP32");
  EXPECT_THAT(refused(other), HasSubstr("has the type FP32"));
  other.response.mutable_outputs(0)->set_name("else");
  EXPECT_THAT(refused(other), HasSubstr("is missing"));
}

}  // namespace
}  // namespace tiffin::gateway::client
