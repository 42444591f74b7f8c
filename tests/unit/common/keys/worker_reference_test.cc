#include "common/keys/worker_reference.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tiffin::keys {
namespace {

using ::testing::HasSubstr;

TEST(WorkerReferenceTest, TravelsAsJson) {
  const WorkerReference reference = {
      .backend = "image",
      .flags = {{.name = "a", .value = "b", .fallback = "c", .meaning = "d", .is_required = true}},
      .options = {{.name = "o", .value = "", .fallback = "", .meaning = ""}},
      .schema = {{"z", 1}, {"a", 2}}};

  const WorkerReference read = WorkerReferenceFromJson(ToJson(reference)).value();

  EXPECT_EQ(read.backend, "image");
  ASSERT_EQ(read.flags.size(), 1);
  const Row& flag = read.flags[0];
  EXPECT_EQ(flag.name + flag.value + flag.fallback + flag.meaning, "abcd");
  EXPECT_TRUE(flag.is_required);
  EXPECT_EQ(read.options.at(0).name, "o");
  EXPECT_EQ(read.schema.dump(), R"({"z":1,"a":2})");
}

TEST(WorkerReferenceTest, WhatIsNoneIsSaidToBeBroken) {
  for (const std::string text : {"", "[]", "{}", R"({"backend": 1})"}) {
    EXPECT_THAT(WorkerReferenceFromJson(text).status().ToString(), HasSubstr("is broken")) << text;
  }
}

}  // namespace
}  // namespace tiffin::keys
