#include "gateway/commands/worker_program.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/gateway/commands/script.h"

namespace tiffin::gateway {
namespace {

using testing::HasSubstr;

TEST(WorkerProgramTest, IsFoundByItsBackend) {
  const TemporaryFolder folder;
  const std::filesystem::path dir = folder.path();
  WriteScript(dir / "tiffin-worker-image", "");
  WriteScript(dir / "tiffin-worker-torch", "");

  EXPECT_EQ(FindWorkerProgram("torch", dir).value(), dir / "tiffin-worker-torch");
  EXPECT_THAT(std::string(FindWorkerProgram("onnx", dir).status().message()),
              HasSubstr("have image, torch; choose one of them"));
  EXPECT_THAT(std::string(FindWorkerProgram("torch", dir / "none").status().message()),
              HasSubstr("build them"));
  EXPECT_FALSE(FindWorkerProgram("../tiffin-worker-torch", dir).ok());
}

}  // namespace
}  // namespace tiffin::gateway
