#include "gateway/commands/reference_text.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tiffin::gateway {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

std::vector<keys::WorkerReference> Workers() {
  return {{.backend = "camera",
           .flags = {{.name = "--threads", .value = "INT", .fallback = "1", .meaning = "Threads"}},
           .options = {{.name = "zoom", .value = "a|b", .fallback = "", .meaning = "How near"}},
           .schema = {{"type", "object"}}},
          {.backend = "plain", .flags = {}, .options = {}, .schema = {{"type", "object"}}}};
}

TEST(ReferenceMarkdownTest, HasWhatTablesFlagsAndWorkersSay) {
  const std::vector<CommandReference> commands = {{.name = "tiffin nap",
                                                   .description = "Sleep.",
                                                   .flags = {{.name = "--ms",
                                                              .value = "UINT",
                                                              .fallback = "",
                                                              .meaning = "How long",
                                                              .is_required = true}}}};

  const std::string text = ReferenceMarkdown(commands, Workers());

  EXPECT_THAT(text, HasSubstr("\n### `runners.NAME.queue`\n"));
  EXPECT_THAT(text, HasSubstr("| `max` | a whole number from 0 to 1000000 | 1024 | "));
  EXPECT_THAT(text, HasSubstr("One of `model`, `backend`, `python` and `endpoints` must be there, "
                              "and no two of them."));
  EXPECT_THAT(text, HasSubstr("### `camera`\n\n| Option | Value | Default | Meaning |"));
  EXPECT_THAT(text, HasSubstr("| `zoom` | a\\|b |  | How near |"));
  EXPECT_THAT(text, HasSubstr("### `plain`\n\nIt has no options."));
  EXPECT_THAT(text, HasSubstr("### `tiffin nap`\n\nSleep.\n"));
  EXPECT_THAT(text, HasSubstr("| `--ms` | UINT | (must be there) | How long |"));
  EXPECT_THAT(text, HasSubstr("| `--threads` | INT | 1 | Threads |"));
  EXPECT_THAT(text, HasSubstr("### `methods.NAME.inputs[]`"));
  EXPECT_THAT(text, HasSubstr("| `TIFFIN_STORE` | The model store | ~/.tiffin/models |"));
}

TEST(ServiceSchemaTest, ABackendsOptionsAreCheckedWhereItIsNamed) {
  const Json schema = ServiceSchema(Workers());

  EXPECT_EQ(schema["$schema"], "http://json-schema.org/draft-07/schema#");
  const Json& runner = schema["properties"]["runners"]["additionalProperties"];
  ASSERT_EQ(runner["allOf"].size(), 2);
  EXPECT_EQ(runner["allOf"][0]["if"]["properties"]["backend"]["const"], "camera");
  EXPECT_EQ(runner["allOf"][0]["then"]["properties"]["options"], Workers()[0].schema);
}

TEST(ServiceSchemaTest, WithoutWorkersAnyOptionsWillDo) {
  EXPECT_FALSE(
      ServiceSchema({})["properties"]["runners"]["additionalProperties"].contains("allOf"));
}

}  // namespace
}  // namespace tiffin::gateway
