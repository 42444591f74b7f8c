#include "gateway/graph/program_plan.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gateway/graph/describe.h"
#include "gateway/graph/drawing.h"
#include "gmock/gmock.h"
#include "tests/unit/gateway/graph/plan_fixture.h"

namespace tiffin::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class NoProgram : public Program {
 public:
  Task<std::vector<Value>> Run(const ProgramRequest& request) const override {
    co_return request.inputs;
  }
};

// A program that calls these.
ProgramFactory Calling(std::vector<std::string> names) {
  return [names = std::move(names)](
             ProgramSetup& setup) -> absl::StatusOr<std::unique_ptr<const Program>> {
    for (const std::string& name : names) setup.Runner(name);
    return std::make_unique<const NoProgram>();
  };
}

class ProgramPlanTest : public PlanTest {
 protected:
  void Add(std::string name, ProgramFactory make) {
    extensions.apis.push_back({.definition = {.service = "demo",
                                              .name = std::move(name),
                                              .inputs = {{"x", "fp32[64]"}},
                                              .outputs = {{"answer", "text"}},
                                              .timeout = absl::Seconds(5),
                                              .make = std::move(make)},
                               .origin = "plugin 'p.so'"});
  }
};

constexpr std::string_view kNoApis = "";

TEST_F(ProgramPlanTest, PlansWhatAProgramMayCall) {
  Add("ask", Calling({"model", "tokens.count", "model"}));
  const PlannedService plan = Plan({"model", "tokens"}, kNoApis);
  ASSERT_EQ(Errors(), "");
  ASSERT_THAT(plan.apis, SizeIs(1));
  const PlannedApi& api = plan.apis[0];
  EXPECT_EQ(api.service, "demo");
  EXPECT_NE(api.program, nullptr);
  ASSERT_THAT(api.steps, SizeIs(2));
  EXPECT_EQ(api.steps[1].call()->method, "count");
  EXPECT_EQ(DescribePlan(plan),
            "service demo\n"
            "  api ask(x: fp32[64]) -> (answer: text), timeout 5s\n"
            "    in C++; it may call\n"
            "      model = model(...) -> scores: fp32[10]\n"
            "      tokens.count = tokens.count(...) -> count: int64[]\n");
  EXPECT_THAT(DrawInDot(api), HasSubstr("\"program\" -> \"step tokens.count\""));
}

TEST_F(ProgramPlanTest, TellsAllThatIsWrong) {
  Add("ask", Calling({"modell", "model.embed"}));
  Add("ask", nullptr);
  Add("model", [](ProgramSetup& setup) -> absl::StatusOr<std::unique_ptr<const Program>> {
    if (setup.Signature("model")->outputs.size() != 2) {
      return absl::InvalidArgumentError("'model' should have two outputs");
    }
    return std::make_unique<const NoProgram>();
  });
  extensions.apis[1].definition.inputs = {{"X", "fp33"}, {"y", "fp32[rows,2]"}, {"z", "text"}};
  extensions.apis[1].definition.outputs = {{"y", "text"}, {"y", "text"}};
  Plan({"model"}, kNoApis);

  for (const char* error : {
           "s.yaml:1:10: api 'ask' of plugin 'p.so': it calls the runner 'modell', which 'demo' "
           "has not; did you mean 'model'?",
           "runner 'model' has no method 'embed'; methods: run",
           "api 'ask' of plugin 'p.so' has the name of an api of plugin 'p.so'; rename",
           "it has no code",
           "input 'X'",
           "declare `rows` as the first dimension of all inputs",
           "it has two outputs 'y'",
           "s.yaml:3:3: runner 'model' has the name of an api of plugin 'p.so'; rename",
           "api 'model' of plugin 'p.so': 'model' should have two outputs",
       }) {
    EXPECT_THAT(Errors(), HasSubstr(error));
  }
}

TEST_F(ProgramPlanTest, IsOfAServiceThatIsServed) {
  Add("ask", Calling({}));
  EXPECT_TRUE(CheckServices(extensions.apis, std::vector<std::string>{"demo", "other"}).ok());
  EXPECT_THAT(
      std::string(CheckServices(extensions.apis, std::vector<std::string>{"other"}).message()),
      HasSubstr("plugin 'p.so': its api 'ask' is of the service 'demo', which no file"));
  EXPECT_THAT(PlanText("service: other\nrunners: {model: {backend: t}}\n").apis, SizeIs(0));
}

}  // namespace
}  // namespace tiffin::gateway
