#include "gateway/api/kserve/statistics.h"

#include "gtest/gtest.h"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway::kserve {
namespace {

using testing::FakeServing;

TEST(KserveStatisticsTest, CountsAndTimesHaveTheProtocolsUnits) {
  FakeServing serving;
  serving.AddRunner("demo", "model_a", {}, {});
  const ModelTable models = *ModelTable::Create(serving.services(), serving.runners());
  TargetStatistics counted;
  counted.rows = 9;
  counted.executions = 2;
  counted.fail.Add(absl::Milliseconds(2));
  counted.success.Add(absl::Microseconds(3));
  counted.success.Add(absl::Microseconds(4));
  counted.queue.Add(absl::Nanoseconds(5));
  counted.compute_input.Add(absl::Nanoseconds(6));
  counted.compute_infer.Add(absl::Nanoseconds(7));
  counted.compute_output.Add(absl::Nanoseconds(8));
  counted.batches[4] = {.count = 2, .time = absl::Nanoseconds(11)};
  counted.last = absl::FromUnixSeconds(50);
  const Moment moment{.now = absl::FromUnixSeconds(60), .wall = absl::FromUnixSeconds(1'000'000)};

  const inference::ModelStatistics told =
      StatisticsOf(**models.Find("demo.model_a", ""), counted, moment);

  EXPECT_EQ(told.name(), "demo.model_a");
  EXPECT_EQ(told.version(), "1");
  EXPECT_EQ(told.last_inference(), 999'990'000U) << "ten seconds ago";
  EXPECT_EQ(told.inference_count(), 9U);
  EXPECT_EQ(told.execution_count(), 2U);
  EXPECT_EQ(told.inference_stats().success().count(), 2U);
  EXPECT_EQ(told.inference_stats().success().ns(), 7000U);
  EXPECT_EQ(told.inference_stats().fail().ns(), 2'000'000U);
  EXPECT_EQ(told.inference_stats().queue().ns(), 5U);
  EXPECT_EQ(told.inference_stats().compute_input().ns(), 6U);
  EXPECT_EQ(told.inference_stats().compute_infer().ns(), 7U);
  EXPECT_EQ(told.inference_stats().compute_output().ns(), 8U);
  ASSERT_EQ(told.batch_stats_size(), 1);
  EXPECT_EQ(told.batch_stats(0).batch_size(), 4U);
  EXPECT_EQ(told.batch_stats(0).compute_infer().count(), 2U);
  EXPECT_EQ(told.batch_stats(0).compute_infer().ns(), 11U);
}

TEST(KserveStatisticsTest, AModelThatWasNeverAskedHasNoLastTime) {
  FakeServing serving;
  serving.AddRunner("demo", "model_a", {}, {});
  const ModelTable models = *ModelTable::Create(serving.services(), serving.runners());
  EXPECT_EQ(StatisticsOf(**models.Find("model_a", ""), {}, {}).last_inference(), 0U);
}

}  // namespace
}  // namespace tiffin::gateway::kserve
