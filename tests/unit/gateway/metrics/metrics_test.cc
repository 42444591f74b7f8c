#include "gateway/metrics/metrics.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, WhoAsksAgainIsGivenTheSame) {
  Metrics metrics;
  RunnerMetrics& runner = metrics.Runner({"demo", "ocr"}, 2, 12);
  EXPECT_EQ(&metrics.Runner({"demo", "ocr"}, 2, 12), &runner);
  EXPECT_NE(&metrics.Runner({"other", "ocr"}, 2, 12), &runner);
  EXPECT_EQ(runner.replicas.size(), 2);
  TargetMetrics& target = metrics.Target({"demo", "read"}, {{.name = "text", .runner = "ocr"}});
  EXPECT_EQ(&metrics.Target({"demo", "read"}, {}), &target);
  EXPECT_EQ(target.steps.front()->runner, &runner);
}

TEST(MetricsTest, ExposesWhatWasCounted) {
  Metrics metrics;
  RunnerMetrics& runner = metrics.Runner({"demo", "ocr"}, 1, 12);
  runner.retries.Add(3);
  runner.replicas[0]->leases.Add(2);
  runner.compute.Observe(absl::Microseconds(200));
  TargetMetrics& target = metrics.Target({"demo", "read"}, {});
  target.requests.Count(absl::StatusCode::kNotFound);
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr("tiffin_runner_retries_total{service=\"demo\",runner=\"ocr\"} 3\n"));
  EXPECT_THAT(text,
              HasSubstr("tiffin_worker_leases{service=\"demo\",runner=\"ocr\",replica=\"0\"} 2"));
  EXPECT_THAT(text, HasSubstr("tiffin_runner_compute_seconds_bucket{service=\"demo\","
                              "runner=\"ocr\",le=\"0.0001\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("le=\"0.00025\"} 1\n"));
  EXPECT_THAT(
      text, HasSubstr("tiffin_runner_compute_seconds_count{service=\"demo\",runner=\"ocr\"} 1\n"));
  EXPECT_THAT(
      text,
      HasSubstr("tiffin_requests_total{service=\"demo\",api=\"read\",code=\"NOT_FOUND\"} 1\n"));
}

TEST(MetricsTest, AServiceIsReadyIfAllItsRunnersAreAndALoopServes) {
  Metrics metrics;
  RunnerMetrics& one = metrics.Runner({"demo", "one"}, 1, 1);
  RunnerMetrics& two = metrics.Runner({"demo", "two"}, 2, 2);
  const Held serving(metrics.gateway().serving_loops);
  const Held first(one.replicas[0]->ready_sessions);
  EXPECT_THAT(metrics.Expose(), HasSubstr("tiffin_service_ready{service=\"demo\"} 0\n"));
  Held second(two.replicas[1]->ready_sessions);
  EXPECT_THAT(metrics.Expose(), HasSubstr("tiffin_service_ready{service=\"demo\"} 1\n"));
  metrics.gateway().serving_loops.Add(-1);
  EXPECT_THAT(metrics.Expose(), HasSubstr("tiffin_service_ready{service=\"demo\"} 0\n"));
  metrics.gateway().serving_loops.Add(1);
}

TEST(MetricsTest, AProcessThatIsNotOurChildIsNoWorker) {
  Metrics metrics;
  metrics.Runner({"demo", "ocr"}, 1, 1).replicas[0]->pid = 1;
  const std::string text = metrics.Expose();
  EXPECT_THAT(text,
              HasSubstr("tiffin_replica_up{service=\"demo\",runner=\"ocr\",replica=\"0\"} 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("tiffin_worker_cpu_seconds_total{")));
}

TEST(MetricsTest, AReplicaElsewhereIsToldOfAsLongAsItHasAnAddressAndIsUpWithASession) {
  Metrics metrics;
  ReplicaMetrics& replica = *metrics.Runner({"demo", "ocr"}, 1, 1).replicas[0];
  replica.elsewhere = true;
  replica.vacant = true;
  EXPECT_THAT(metrics.Expose(), Not(HasSubstr("tiffin_replica_up{")));
  replica.vacant = false;
  EXPECT_THAT(metrics.Expose(), HasSubstr("runner=\"ocr\",replica=\"0\"} 0\n"));
  // Of its process nothing is known, which is not nothing.
  for (const char* name : {"cpu_seconds_total{", "resident_memory_bytes{", "threads{"}) {
    EXPECT_THAT(metrics.Expose(), Not(HasSubstr(std::string("tiffin_worker_") + name)));
  }
  const Held session(replica.ready_sessions);
  EXPECT_THAT(metrics.Expose(),
              HasSubstr("tiffin_replica_up{service=\"demo\",runner=\"ocr\",replica=\"0\"} 1\n"));
}

}  // namespace
}  // namespace tiffin::gateway::metrics
