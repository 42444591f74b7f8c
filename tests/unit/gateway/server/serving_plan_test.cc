#include "gateway/server/serving_plan.h"

#include <map>
#include <string>

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kYaml = R"(
service: away
runners:
  echo: {endpoints: ["10.0.0.1:9000"]}
apis:
  call:
    input: {x: "fp32[3]"}
    steps: {a: echo(x)}
    output: {y: a}
)";

class ServingPlanTest : public ::testing::Test {
 protected:
  ServingPlanTest() {
    config::Diagnostics diagnostics("away.yaml");
    options_.services.push_back(config::ParseService(kYaml, "away.yaml", diagnostics));
    EXPECT_TRUE(diagnostics.empty()) << diagnostics.ToStatus();
    options_.runners.push_back({.service = "away",
                                .runner = "echo",
                                .program = "",
                                .arguments = {},
                                .endpoints = options_.services[0].runners[0].endpoints});
  }

  ServingPlan::Attempt Plan() {
    return *ServingPlan::Create(options_, [this](size_t) { return description_; });
  }
  void Describe(const std::string& type) {
    description_ = WorkerDescription();
    description_->backend = "testing";
    description_->methods["run"] = {.inputs = {{"INPUT0", *ParseValueType(type)}},
                                    .outputs = {{"OUTPUT0", *ParseValueType(type)}}};
  }

  ServingOptions options_;
  absl::StatusOr<WorkerDescription> description_ = absl::UnavailableError("nobody");
};

TEST_F(ServingPlanTest, AServiceWhoseWorkersAreNotKnownIsAbsent) {
  const ServingPlan::Attempt attempt = Plan();

  EXPECT_TRUE(attempt.plan->services.empty());
  ASSERT_EQ(attempt.plan->absent.size(), 1U);
  EXPECT_EQ(attempt.plan->absent[0].name, "away");
  EXPECT_THAT(attempt.plan->absent[0].targets, ElementsAre("call", "echo"));
  const absl::Status& why = attempt.why_absent.at("away");
  EXPECT_TRUE(absl::IsUnavailable(why));
  EXPECT_THAT(std::string(Message(why)), HasSubstr("runner 'echo': no worker at ipv4:10.0.0.1"));
  EXPECT_TRUE(attempt.misfits.empty());
}

TEST_F(ServingPlanTest, OneWhoseWorkersAreAnotherRunnersIsAbsentAndSaysSo) {
  description_ = absl::FailedPreconditionError("the worker at A runs 'other'");

  const ServingPlan::Attempt attempt = Plan();

  const absl::Status& why = attempt.why_absent.at("away");
  EXPECT_TRUE(absl::IsFailedPrecondition(why));
  EXPECT_EQ(Message(why), "service 'away': runner 'echo': the worker at A runs 'other'");
  EXPECT_TRUE(attempt.misfits.empty()) << "those that are right would be asked again";
}

TEST_F(ServingPlanTest, OneWhoseWorkersFitIsServed) {
  Describe("fp32[3]");

  const ServingPlan::Attempt attempt = Plan();

  EXPECT_EQ(attempt.plan->services.size(), 1U);
  EXPECT_EQ(attempt.plan->runners.size(), 1U);
  EXPECT_TRUE(attempt.plan->absent.empty());
  EXPECT_TRUE(attempt.why_absent.empty());
}

TEST_F(ServingPlanTest, OneWhoseWorkersDoNotFitIsAbsentWithTheErrors) {
  Describe("int32[3]");

  const ServingPlan::Attempt attempt = Plan();

  EXPECT_TRUE(attempt.plan->services.empty());
  const absl::Status& why = attempt.why_absent.at("away");
  EXPECT_TRUE(absl::IsFailedPrecondition(why));
  EXPECT_THAT(std::string(Message(why)), HasSubstr("away.yaml:8:"));
  EXPECT_TRUE(attempt.misfits.contains("away"));
}

}  // namespace
}  // namespace tiffin::gateway
