#include "gateway/dispatch/worker_identity.h"

#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

TEST(WorkerIdentityTest, AnotherRunnerIsNamedWithTheFix) {
  WorkerDescription worker;
  worker.service = "x";
  worker.runner = "model_b";

  EXPECT_EQ(
      AnotherRunner(worker, "model_a"),
      "runs 'model_b' of service 'x'; start it with --runner model_a, or correct 'endpoints'");
}

TEST(WorkerIdentityTest, TheSameRunnerMayBeOfAnyService) {
  WorkerDescription worker;
  worker.service = "x";
  worker.runner = "model_a";

  EXPECT_EQ(AnotherRunner(worker, "model_a"), "");
}

TEST(WorkerIdentityTest, OneThatDoesNotSayWhatItIsMayBeAnything) {
  EXPECT_EQ(AnotherRunner(WorkerDescription(), "model_a"), "");
}

}  // namespace
}  // namespace tiffin::gateway
