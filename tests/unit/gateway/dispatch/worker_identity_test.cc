#include "gateway/dispatch/worker_identity.h"

#include "common/strings.h"
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

TEST(WorkerIdentityTest, WhatRunsIsComparedWithWhatIsWritten) {
  WorkerDescription worker;
  worker.backend = "torch";
  worker.model = "digits";
  worker.model_version = 2;

  for (const char* as_written : {"", "digits:latest", "digits:2"}) {
    EXPECT_EQ(RunsOther(worker, as_written), "") << as_written;
  }
  for (const char* other : {"digits:3", "digit:latest", "torch"}) {
    EXPECT_EQ(RunsOther(worker, other),
              StrCat("runs the model digits:2, but the service file says ", other,
                     "; start it with that file, or correct the file"));
  }
}

TEST(WorkerIdentityTest, ABackendIsComparedLikewise) {
  WorkerDescription worker;
  worker.backend = "image";

  EXPECT_EQ(RunsOther(worker, "image"), "");
  EXPECT_EQ(RunsOther(worker, "ocr"),
            "runs the backend image, but the service file says ocr; start it with that file, or "
            "correct the file");
  EXPECT_NE(RunsOther(worker, "image:1"), "");
}

}  // namespace
}  // namespace tiffin::gateway
