#include "common/signature.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/strings.h"
#include "nlohmann/json.hpp"

namespace tiffin {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

ValueType Type(std::string_view text) {
  absl::StatusOr<ValueType> type = ParseValueType(text);
  EXPECT_TRUE(type.ok()) << type.status();
  return type.ok() ? *type : ValueType{};
}

std::string TypeError(std::string_view text) {
  const absl::StatusOr<ValueType> type = ParseValueType(text);
  EXPECT_EQ(type.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(Message(type.status()));
}

TEST(ValueTypeTest, ParsesWhatServiceFilesWrite) {
  EXPECT_EQ(Type("image"), SingleType(ValueKind::kImage));
  EXPECT_EQ(Type("text"), SingleType(ValueKind::kText));
  EXPECT_EQ(Type("json"), SingleType(ValueKind::kJson));
  EXPECT_EQ(Type("bytes"), SingleType(ValueKind::kBytes));
  EXPECT_EQ(Type("fp32[64]"), TensorType(DataType::kFp32, {64}));
  EXPECT_EQ(Type("int64[-1]"), TensorType(DataType::kInt64, {-1}));
  EXPECT_EQ(Type("uint8[ 3, -1 ,4]"), TensorType(DataType::kUint8, {3, -1, 4}));
  EXPECT_EQ(Type("fp32[]"), TensorType(DataType::kFp32, {}));
  EXPECT_EQ(Type("bytes[2]"), TensorType(DataType::kBytes, {2}));
}

TEST(ValueTypeTest, PrintsWhatItParses) {
  for (const std::string text : {"image", "text", "json", "bytes", "fp32[64]", "int64[-1,3]",
                                 "bool[]", "bf16[1]", "bytes[2]", "bytes[]"}) {
    EXPECT_EQ(ToString(Type(text)), text);
  }
}

TEST(ValueTypeTest, ErrorsNameTheTypeAndTheFix) {
  EXPECT_EQ(TypeError("image[3]"), "type 'image[3]': 'image' takes no shape; write 'image'");
  EXPECT_EQ(TypeError("FP32[3]"), "type 'FP32[3]': write 'fp32' in lower case");
  EXPECT_EQ(TypeError("fp32"),
            "type 'fp32': a tensor needs a shape; write \"fp32[64]\", or \"fp32[]\" for a single "
            "number");
  EXPECT_EQ(TypeError("fp32[-2]"),
            "type 'fp32[-2]': the dimension '-2' is not a size; write a number, or -1 for any "
            "size");
  EXPECT_THAT(TypeError("float[3]"), HasSubstr("type 'float[3]': unknown; write image, text"));
}

TEST(ValueTypeTest, RefusesWhatIsNoType) {
  for (const std::string text :
       {"", "[]", "[3]", "fp32[", "fp32]", "fp32[3", "fp32[3]x", "fp32[3,]", "fp32[,]", "fp32[a]",
        "fp32[1.5]", "fp32[3][3]", "fp32[9223372036854775808]", "fp32[9223372036854775807,-1,8]",
        "fp32[rows,3]", "invalid[3]", "im age"}) {
    TypeError(text);
  }
}

TEST(IsAssignableTest, TensorsNeedTheSameDtypeAndAFittingShape) {
  EXPECT_TRUE(IsAssignable(Type("fp32[64]"), Type("fp32[64]")));
  EXPECT_FALSE(IsAssignable(Type("fp32[64]"), Type("fp32[63]")));
  EXPECT_FALSE(IsAssignable(Type("fp32[64]"), Type("fp64[64]")));
  EXPECT_FALSE(IsAssignable(Type("fp32[64]"), Type("fp32[64,1]")));
  EXPECT_FALSE(IsAssignable(Type("fp32[]"), Type("fp32[1]")));
}

TEST(IsAssignableTest, AnySizeFitsOnBothSides) {
  EXPECT_TRUE(IsAssignable(Type("fp32[-1]"), Type("fp32[64]")));
  EXPECT_TRUE(IsAssignable(Type("fp32[64]"), Type("fp32[-1]")));
  EXPECT_FALSE(IsAssignable(Type("fp32[-1]"), Type("fp32[-1,-1]")));
  EXPECT_FALSE(IsAssignable(Type("fp32[-1,3]"), Type("fp32[2,4]")));
}

TEST(IsAssignableTest, PlainBytesGoAnywhereAmongTheSingleKinds) {
  for (const std::string kind : {"image", "text", "json", "bytes", "bytes[]"}) {
    EXPECT_TRUE(IsAssignable(Type(kind), Type(kind))) << kind;
    for (const std::string plain : {"bytes", "bytes[]"}) {
      EXPECT_TRUE(IsAssignable(Type(plain), Type(kind))) << kind;
      EXPECT_TRUE(IsAssignable(Type(kind), Type(plain))) << kind;
    }
  }
}

TEST(IsAssignableTest, KindsWithAMeaningDoNotMix) {
  EXPECT_FALSE(IsAssignable(Type("text"), Type("image")));
  EXPECT_FALSE(IsAssignable(Type("json"), Type("text")));
  EXPECT_FALSE(IsAssignable(Type("image"), Type("fp32[64]")));
  EXPECT_FALSE(IsAssignable(Type("fp32[]"), Type("bytes")));
  EXPECT_FALSE(IsAssignable(Type("bytes[1]"), Type("text")));
  EXPECT_FALSE(IsAssignable(Type("bytes"), Type("bytes[1]")));
}

WorkerDescription Description() {
  WorkerDescription description;
  description.backend = "xgboost";
  description.model = "digits_xgboost";
  description.model_version = 3;
  description.model_digest = "ab12";
  description.methods["run"] = {.inputs = {{"features", Type("fp32[64]")}},
                                .outputs = {{"scores", Type("fp32[10]")}, {"note", Type("text")}},
                                .batchable = true,
                                .retry_safe = false,
                                .max_batch_size = 32};
  description.service = "digits";
  description.runner = "model_a";
  description.methods["explain"] = {.inputs = {{"image", Type("image")}}, .outputs = {}};
  return description;
}

TEST(SignatureJsonTest, DescriptionsComeBackAsTheyWere) {
  const WorkerDescription before = Description();
  const auto after = WorkerDescriptionFromJson(Json(before).dump());
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->backend, before.backend);
  EXPECT_EQ(after->model, before.model);
  EXPECT_EQ(after->model_version, before.model_version);
  EXPECT_EQ(after->model_digest, before.model_digest);
  EXPECT_EQ(after->methods, before.methods);
  EXPECT_EQ(after->service, "digits");
  EXPECT_EQ(after->runner, "model_a");
}

TEST(SignatureJsonTest, AModelsFolderIsNoRunnerOfAService) {
  WorkerDescription description = Description();
  description.service.clear();
  description.runner.clear();

  const Json json = description;

  EXPECT_FALSE(json.contains("service") || json.contains("runner"));
  EXPECT_EQ(WorkerDescriptionFromJson(json.dump())->runner, "");
}

TEST(SignatureJsonTest, ALimitOfRowsIsWrittenOnlyWhereThereIsOne) {
  const Json json = Description();
  EXPECT_EQ(json["methods"]["run"]["max_batch_size"], 32);
  EXPECT_FALSE(json["methods"]["explain"].contains("max_batch_size"));
}

TEST(SignatureJsonTest, UnknownFieldsAreLeftAside) {
  Json json = Description();
  json["capabilities"] = {"something new"};
  EXPECT_TRUE(WorkerDescriptionFromJson(json.dump()).ok());
}

// The message for the JSON of Description() after `patch` (RFC 7386; null removes).
std::string PatchedError(const Json& patch) {
  Json json = Description();
  json.merge_patch(patch);
  const auto description = WorkerDescriptionFromJson(json.dump());
  EXPECT_EQ(description.status().code(), absl::StatusCode::kInvalidArgument) << patch;
  return std::string(Message(description.status()));
}

Json RunPatch(Json method) { return {{"methods", {{"run", std::move(method)}}}}; }

TEST(SignatureJsonTest, ErrorsNameTheField) {
  EXPECT_EQ(PatchedError({{"backend", nullptr}}), "a worker's description must name its 'backend'");
  for (const std::string& name :
       {std::string("Away!"), std::string("a\nb"), std::string(257, 'a')}) {
    EXPECT_EQ(PatchedError({{"service", name}}), "'service' must be a name, as in a service file");
    EXPECT_EQ(PatchedError({{"runner", name}}), "'runner' must be a name, as in a service file");
  }
  EXPECT_EQ(PatchedError({{"backend", 3}}), "'backend' must be a string, not number");
  EXPECT_EQ(PatchedError({{"model_version", 0}}), "'model_version' must be a positive integer");
  EXPECT_EQ(PatchedError({{"model_version", 18446744073709551615u}}),
            "'model_version' must be a positive integer");
  EXPECT_EQ(PatchedError({{"model_version", 1.5}}), "'model_version' must be a positive integer");
  EXPECT_EQ(PatchedError({{"methods", nullptr}}), "'methods' must be an object");
  EXPECT_EQ(PatchedError({{"methods", {{"run", 1}}}}),
            "method 'run': a method must be an object, not number");
  EXPECT_EQ(PatchedError(RunPatch({{"inputs", nullptr}})),
            "method 'run': 'inputs' must be an array");
  EXPECT_EQ(PatchedError(RunPatch({{"batchable", "yes"}})),
            "method 'run': 'batchable' must be true or false, not string");
  EXPECT_EQ(PatchedError(RunPatch({{"outputs", {1}}})),
            "method 'run': outputs[0]: must be an object with 'name' and 'type'");
  EXPECT_EQ(PatchedError(RunPatch({{"outputs", {{{"name", ""}, {"type", "text"}}}}})),
            "method 'run': outputs[0]: 'name' must not be empty");
  EXPECT_EQ(PatchedError(RunPatch({{"outputs", {{{"name", "a"}, {"type", "fp32"}}}}})),
            "method 'run': outputs[0]: type 'fp32': a tensor needs a shape; write \"fp32[64]\", or "
            "\"fp32[]\" for a single number");
  const Json twice = {{"name", "a"}, {"type", "text"}};
  EXPECT_EQ(PatchedError(RunPatch({{"outputs", {twice, twice}}})),
            "method 'run': 'outputs' has the name 'a' twice");
}

TEST(SignatureJsonTest, RefusesWhatIsNotAnObject) {
  for (const std::string text : {"", "{", "[]", "3", "null", "{\"backend\": \"\xff\"}"}) {
    EXPECT_FALSE(WorkerDescriptionFromJson(text).ok()) << text;
  }
  EXPECT_FALSE(WorkerDescriptionFromJson(std::string(100'000, '[')).ok());
}

TEST(SignatureJsonTest, ADescriptionLargerThanAnyHonestOneIsRefusedUnread) {
  const absl::Status status = WorkerDescriptionFromJson(std::string((1 << 20) + 1, '[')).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("1048577 bytes"));
}

}  // namespace
}  // namespace tiffin
