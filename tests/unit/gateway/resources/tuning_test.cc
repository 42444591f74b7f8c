#include "gateway/resources/tuning.h"

#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::gateway {
namespace {

config::ServiceConfig Parse(const std::string& runner, const std::string& step = "r(x)") {
  config::Diagnostics diagnostics("f");
  config::ServiceConfig service =
      config::ParseService("service: s\nrunners: {r: " + runner +
                               "}\napis:\n  go:\n    input: {x: text}\n    steps: {y: '" + step +
                               "'}\n    output: {y: y}\n",
                           "f", diagnostics);
  EXPECT_EQ(diagnostics.size(), 0U) << diagnostics.ToString();
  return service;
}

nlohmann::json SubjectOf(const config::ServiceConfig& service, double cores = 2,
                         const std::string& model = "1 abc") {
  const config::ServiceConfig* const services[] = {&service};
  const TuningRunner runners[] = {{.service = service.name,
                                   .config = &service.runners[0],
                                   .backend = "testing",
                                   .model = model}};
  return TuningSubject({.cores = cores, .why = ""}, services, runners);
}

class TuningTest : public testing::Test {
 protected:
  void Save(const nlohmann::json& subject) {
    const Tuning tuning{.subject = subject, .created = "now", .workers = {{"s.r", {3, 2}}}};
    ASSERT_TRUE(SaveTuning(folder_.path(), tuning).ok());
  }

  std::string WhyNot(const nlohmann::json& subject) {
    const auto tuning = LoadTuning(folder_.path(), subject);
    return tuning.ok() ? "it is used" : std::string(tuning.status().message());
  }

  TemporaryFolder folder_;
};

TEST_F(TuningTest, ComesBackAsItWasKept) {
  const nlohmann::json subject = SubjectOf(Parse("{backend: testing}"));
  EXPECT_TRUE(absl::IsNotFound(LoadTuning(folder_.path(), subject).status()));
  Save(subject);
  const auto tuning = LoadTuning(folder_.path(), subject);
  ASSERT_TRUE(tuning.ok()) << tuning.status();
  EXPECT_EQ(tuning->created, "now");
  EXPECT_EQ(tuning->workers, (WorkerCounts{{"s.r", {3, 2}}}));
}

TEST_F(TuningTest, IsStaleWhereAnythingDiffers) {
  Save(SubjectOf(Parse("{backend: testing}")));
  const std::pair<nlohmann::json, const char*> cases[] = {
      {SubjectOf(Parse("{backend: testing}"), 2, "2 abc"), "services.s.runners.r.model"},
      {SubjectOf(Parse("{backend: testing, replicas: 2}")), "services.s.runners.r.replicas"},
      {SubjectOf(Parse("{backend: testing, resources: {cpu: 1}}")),
       "services.s.runners.r.resources.cpu"},
      {SubjectOf(Parse("{backend: testing, resources: {threads: 1}}")),
       "services.s.runners.r.resources.threads"},
      {SubjectOf(Parse("{backend: testing, device: \"cuda:0\"}")), "services.s.runners.r.device"},
      {SubjectOf(Parse("{backend: testing, options: {a: 1}}")), "services.s.runners.r.options.a"},
      {SubjectOf(Parse("{backend: testing, batching: off}")), "services.s.runners.r.batching"},
      {SubjectOf(Parse("{backend: testing}", "r.other(x)")), "services.s.apis.go.y.calls"},
  };
  for (const auto& [subject, difference] : cases) {
    EXPECT_NE(
        WhyNot(subject).find(std::string("stale: since then this has changed: ") + difference),
        std::string::npos)
        << WhyNot(subject);
  }
}

TEST_F(TuningTest, IsStaleWhereBatchesAreMadeInAnotherWay) {
  Save(SubjectOf(Parse("{backend: testing, batching: {max_batch_size: 32}}")));
  const std::pair<const char*, const char*> cases[] = {
      {"off", ""},
      {"{max_batch_size: 16}", ".max_batch_size"},
      {"{max_batch_size: 32, policy: fixed}", ".policy"},
      {"{max_batch_size: 32, max_delay: 5ms}", ".max_delay_us"},
  };
  for (const auto& [batching, difference] : cases) {
    const std::string why =
        WhyNot(SubjectOf(Parse(std::string("{backend: testing, batching: ") + batching + "}")));
    EXPECT_TRUE(why.ends_with(std::string("services.s.runners.r.batching") + difference)) << why;
  }
}

TEST_F(TuningTest, IsNotUsedWhereItLacksARunner) {
  const nlohmann::json subject = SubjectOf(Parse("{backend: testing}"));
  ASSERT_TRUE(
      SaveTuning(folder_.path(), {.subject = subject, .created = "now", .workers = {}}).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(LoadTuning(folder_.path(), subject).status()));
  EXPECT_NE(WhyNot(subject).find("says nothing of runner 's.r'"), std::string::npos);
}

TEST_F(TuningTest, OtherCoresAndOtherServicesHaveFilesOfTheirOwn) {
  Save(SubjectOf(Parse("{backend: testing}")));
  EXPECT_TRUE(absl::IsNotFound(
      LoadTuning(folder_.path(), SubjectOf(Parse("{backend: testing}"), 4)).status()));
  EXPECT_EQ(TuningPath("/store", SubjectOf(Parse("{backend: testing}"), 1.5)),
            "/store/.tuning/s@1.5.json");
}

TEST_F(TuningTest, ABrokenFileIsSaidAndNotUsed) {
  const nlohmann::json subject = SubjectOf(Parse("{backend: testing}"));
  Save(subject);
  for (const char* text :
       {"", "[]", "{}", R"({"subject": 1, "created": "x", "workers": {"s.r": 3}})",
        R"({"subject": 1, "created": "x", "workers": {"s.r": [0, 1]}})",
        R"({"subject": 1, "created": "x", "workers": {"s.r": [65, 1]}})",
        R"({"subject": 1, "created": "x", "workers": {"s.r": [1, 99999]}})"}) {
    std::ofstream(TuningPath(folder_.path(), subject)) << text;
    EXPECT_NE(WhyNot(subject).find("can't be read: it is broken"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace tiffin::gateway
