#include "gateway/resources/containers.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;

RunnerShare Share(std::string name, WorkerCount workers, double cpu) {
  return {.name = std::move(name),
          .backend = "testing",
          .workers = workers,
          .cpu = cpu,
          .device = "cpu",
          .why = ""};
}

Allocation Of(std::vector<RunnerShare> runners) {
  return {.budget = {.cores = 3, .why = "a test"}, .runners = std::move(runners), .note = ""};
}

TEST(ContainersTest, AWorkerGetsItsShareAndAtMostACoreForEachThread) {
  const Allocation allocation = Of({Share("s.even", {2, 3}, 2.75), Share("s.share", {1, 1}, 1.5)});
  const auto containers =
      ContainersOf(allocation, std::vector<uint64_t>{0, 0}, ContainerLimits{}).value();
  ASSERT_EQ(containers.size(), 3u);
  EXPECT_EQ(containers[0].name, "gateway");
  EXPECT_EQ(containers[1].replicas, 2);
  EXPECT_EQ(containers[1].cpu_request, 2.75);
  EXPECT_EQ(containers[1].cpu_limit, 3);
  EXPECT_EQ(containers[2].cpu_request, 1.5);
  EXPECT_EQ(containers[2].cpu_limit, 2);
  EXPECT_THAT(containers[1].arguments,
              ElementsAre("--threads", "3", "--segment-limit", "134217728"));
}

TEST(ContainersTest, AWorkerThatGetsNothingAsksForALittle) {
  const Allocation allocation = Of({Share("s.poor", {1, 1}, 0)});

  const auto containers =
      ContainersOf(allocation, std::vector<uint64_t>{0}, ContainerLimits{}).value();

  EXPECT_GT(containers[1].cpu_request, 0);
  EXPECT_EQ(containers[1].cpu_limit, 1);
}

TEST(ContainersTest, MemoryIsForLoadingAndForTheLargestMessages) {
  const Allocation allocation = Of({Share("s.a", {1, 1}, 1)});
  const ContainerLimits limits = {.max_message = 1 * kMiB};
  const auto containers =
      ContainersOf(allocation, std::vector<uint64_t>{100 * kMiB}, limits).value();
  // 64 MiB, 4 times what is in flight (2 MiB), and twice the segments (4 MiB).
  EXPECT_EQ(containers[0].memory, 128 * kMiB);
  // 150 MiB and twice the segments.
  EXPECT_EQ(containers[1].memory, 192 * kMiB);
  EXPECT_THAT(containers[0].arguments, ElementsAre("--max-message", "1048576", "--in-flight-limit",
                                                   "2097152", "--segment-limit", "4194304"));
}

TEST(ContainersTest, HalfOfWhatAWorkerHasLeftIsEnoughForItsSegments) {
  const ContainerLimits limits;
  for (uint64_t peak = 0; peak < 2000 * kMiB; peak += 37 * kMiB) {
    const auto containers =
        ContainersOf(Of({Share("s.a", {1, 1}, 1)}), std::vector<uint64_t>{peak}, limits).value();
    EXPECT_GE((containers[1].memory - peak) / 2, static_cast<uint64_t>(limits.segments()));
  }
}

TEST(ContainersTest, NamesAreLabels) {
  const auto containers = ContainersOf(Of({Share("my_service.model_a", {1, 1}, 1)}),
                                       std::vector<uint64_t>{0}, ContainerLimits{});
  EXPECT_EQ(containers.value()[1].name, "my-service-model-a");

  const auto too_long = ContainersOf(Of({Share("s." + std::string(62, 'x'), {1, 1}, 1)}),
                                     std::vector<uint64_t>{0}, ContainerLimits{});
  EXPECT_THAT(std::string(too_long.status().message()), HasSubstr("more than 63 characters"));
}

TEST(ContainersTest, TwoRunnersWithOneNameAreAnError) {
  const auto containers = ContainersOf(Of({Share("a_b.c", {1, 1}, 1), Share("a.b_c", {1, 1}, 1)}),
                                       std::vector<uint64_t>{0, 0}, ContainerLimits{});
  EXPECT_EQ(containers.status().message(),
            "the runners 'a_b.c' and 'a.b_c' would both be the container 'a-b-c'; rename one of "
            "them");
}

TEST(ContainersTest, YamlSaysAllOfIt) {
  const Allocation allocation = Of({Share("s.a", {2, 1}, 1.0 / 3)});
  const auto containers =
      ContainersOf(allocation, std::vector<uint64_t>{10 * kMiB}, ContainerLimits{}).value();
  EXPECT_THAT(ContainersYaml(allocation, containers), HasSubstr(R"(# For 3 cores (a test).
- name: gateway
)"));
  EXPECT_THAT(ContainersYaml(allocation, containers), HasSubstr(R"(- name: s-a
  replicas: 2
  args: ["--threads", "1", "--segment-limit", "134217728"]
  resources:
    requests: {cpu: "334m", memory: 320Mi}
    limits: {cpu: "1", memory: 320Mi}
)"));
}

}  // namespace
}  // namespace tiffin::gateway
