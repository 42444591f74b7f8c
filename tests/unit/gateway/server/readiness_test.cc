#include "gateway/server/readiness.h"

#include <vector>

#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

using State = Readiness::State;

constexpr size_t kLoops = 2;

class ReadinessTest : public ::testing::Test {
 protected:
  static RunnerSetup Runner(const char* service, const char* runner) {
    return {.service = service, .runner = runner, .program = "", .arguments = {}};
  }
  void SetAll(size_t runner) {
    for (size_t loop = 0; loop < kLoops; ++loop) readiness_.Set(loop, runner, true);
  }

  const std::vector<RunnerSetup> runners_ = {Runner("demo", "model_a"), Runner("demo", "model_b"),
                                             Runner("other", "model_a")};
  Readiness readiness_{runners_, kLoops};
};

TEST_F(ReadinessTest, ARunnerIsReadyWhenItIsOnEveryLoop) {
  readiness_.SetState(State::kServing);

  EXPECT_FALSE(readiness_.Set(0, 0, true));
  EXPECT_FALSE(readiness_.RunnerReady("demo", "model_a"));

  EXPECT_TRUE(readiness_.Set(1, 0, true)) << "that changed what is said";
  EXPECT_TRUE(readiness_.RunnerReady("demo", "model_a"));
  EXPECT_FALSE(readiness_.Set(1, 0, true)) << "said before";

  EXPECT_TRUE(readiness_.Set(0, 0, false));
  EXPECT_FALSE(readiness_.RunnerReady("demo", "model_a"));
}

TEST_F(ReadinessTest, AServiceIsReadyWhenItsOwnRunnersAre) {
  readiness_.SetState(State::kServing);
  SetAll(0);
  EXPECT_FALSE(readiness_.ServiceReady("demo"));

  SetAll(1);

  EXPECT_TRUE(readiness_.ServiceReady("demo"));
  EXPECT_FALSE(readiness_.ServiceReady("other"));
  EXPECT_FALSE(readiness_.RunnerReady("other", "model_a"));
  EXPECT_FALSE(readiness_.RunnerReady("demo", "nobody"));
}

TEST_F(ReadinessTest, NothingIsReadyBeforeTheServerServesOrAfter) {
  SetAll(0);
  SetAll(1);
  for (const State state : {State::kStarting, State::kFailed, State::kDraining}) {
    readiness_.SetState(state);
    EXPECT_FALSE(readiness_.ServiceReady("demo"));
    EXPECT_FALSE(readiness_.RunnerReady("demo", "model_a"));
  }
}

TEST_F(ReadinessTest, AServiceThatIsAbsentIsNotReadyWhateverItsRunnersAre) {
  readiness_.SetState(State::kServing);
  SetAll(0);
  SetAll(1);
  readiness_.SetAbsent({"demo"});
  EXPECT_FALSE(readiness_.ServiceReady("demo"));

  readiness_.SetAbsent({});

  EXPECT_TRUE(readiness_.ServiceReady("demo"));
}

}  // namespace
}  // namespace tiffin::gateway
