// What an API's monitor names.
#include <string>

#include "gateway/graph/describe.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/graph/plan_fixture.h"

namespace tiffin::gateway {
namespace {

class PlanMonitorTest : public PlanTest {
 protected:
  // `values` stand on line 10, from column 33.
  PlannedService PlanValues(const std::string& values, const std::string& output = "verdict: t") {
    return Plan({"tokens"}, StrCat("apis:\n  ask:\n    input: {x: text}\n    steps:\n"
                                   "      t: \"tokens(x, 3)\"\n"
                                   "      u: one_line(x)\n    output: {",
                                   output, ", ids: t.ids, u: u}\n    monitor: {file: m, values: [",
                                   values, "]}\n"));
  }
};

TEST_F(PlanMonitorTest, ValuesAreInputsStepsAndOutputs) {
  const PlannedService service = PlanValues("x, t.mask, ids, u", "mask: t.mask");
  ASSERT_EQ(Errors(), "");
  const PlannedMonitor& monitor = *service.apis[0].monitor;
  ASSERT_EQ(monitor.values.size(), 4U);
  EXPECT_EQ(monitor.values[0].source.from, ValueSource::From::kInput);
  EXPECT_EQ(monitor.values[0].type, SingleType(ValueKind::kText));
  EXPECT_EQ(monitor.values[1].name, "t.mask");
  EXPECT_EQ(monitor.values[1].source.output, 1U);
  EXPECT_EQ(monitor.values[2].name, "ids");
  EXPECT_EQ(monitor.values[2].source, service.apis[0].outputs[1].source);
  EXPECT_EQ(monitor.values[3].source, service.apis[0].outputs[2].source);
  EXPECT_NE(DescribePlan(service).find("monitor m: x, t.mask, ids, u of 100 % of the requests  "
                                       "(rotated at 65536 KiB, 5 kept)"),
            std::string::npos)
      << DescribePlan(service);
}

TEST_F(PlanMonitorTest, UnknownNamesAreErrorsAtTheirPlace) {
  PlanValues("y, t.maks, ids.x, t", "mask: t.mask");
  EXPECT_NE(Errors().find("s.yaml:11:33: unknown value 'y'"), std::string::npos) << Errors();
  EXPECT_NE(Errors().find("s.yaml:11:36: step 't' has no output 'maks'"), std::string::npos)
      << Errors();
  EXPECT_NE(Errors().find("'ids' is an output, which is one value; write ids"), std::string::npos)
      << Errors();
  EXPECT_NE(Errors().find("step 't' has 2 outputs"), std::string::npos) << Errors();
}

TEST_F(PlanMonitorTest, ANameWithTwoMeaningsIsAnError) {
  PlanValues("x", "x: t.mask");
  EXPECT_NE(Errors().find("'x' is an output and another value too; rename one"), std::string::npos)
      << Errors();
}

TEST_F(PlanMonitorTest, ToBeWrittenDownIsNoUse) {
  Plan({"tokens"},
       "apis:\n  ask:\n    input: {x: text}\n    steps:\n      t: \"tokens.count(x)\"\n"
       "      u: one_line(x)\n    output: {u: u}\n    monitor: {file: m, values: [t]}\n");
  EXPECT_NE(Errors().find("step 't' is unused"), std::string::npos) << Errors();
}

}  // namespace
}  // namespace tiffin::gateway
