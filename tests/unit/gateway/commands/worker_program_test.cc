#include "gateway/commands/worker_program.h"

#include <array>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

#include "gateway/commands/command.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/gateway/commands/script.h"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;

using testing::ElementsAre;
using testing::HasSubstr;

class WorkerProgramTest : public testing::Test {
 protected:
  fs::path Folder(const std::string& name, std::initializer_list<const char*> workers) {
    const fs::path folder = fs::path(temporary_.path()) / name;
    fs::create_directory(folder);
    for (const char* worker : workers) WriteScript(folder / worker, "");
    return folder;
  }

  const TemporaryFolder temporary_;
};

TEST_F(WorkerProgramTest, IsFoundByItsBackend) {
  const std::array folders = {Folder("a", {"tiffin-worker-image", "tiffin-worker-torch"})};
  const std::array none = {Folder("b", {})};

  EXPECT_EQ(FindWorkerProgram("torch", folders).value(), folders[0] / "tiffin-worker-torch");
  EXPECT_THAT(std::string(FindWorkerProgram("onnx", folders).status().message()),
              HasSubstr("have image, torch; choose one of them"));
  EXPECT_THAT(std::string(FindWorkerProgram("torch", none).status().message()),
              HasSubstr("build them"));
  EXPECT_FALSE(FindWorkerProgram("../tiffin-worker-torch", folders).ok());
}

TEST_F(WorkerProgramTest, IsTheFirstOfSeveral) {
  const std::array folders = {Folder("a", {"tiffin-worker-image"}),
                              Folder("b", {"tiffin-worker-image", "tiffin-worker-mine"})};

  EXPECT_EQ(FindWorkerProgram("image", folders).value(), folders[0] / "tiffin-worker-image");
  EXPECT_EQ(FindWorkerProgram("mine", folders).value(), folders[1] / "tiffin-worker-mine");
  EXPECT_THAT(BackendsIn(folders), ElementsAre("image", "mine"));
}

TEST_F(WorkerProgramTest, FoldersGivenComeBeforeThoseOfTheEnvironment) {
  setenv("TIFFIN_WORKER_PATH", "/b:/c", /*overwrite=*/1);
  const std::vector<fs::path> folders = WorkerFolders(std::array{std::string("/a")});
  unsetenv("TIFFIN_WORKER_PATH");

  EXPECT_THAT(folders, ElementsAre("/a", "/b", "/c", ProgramFolder()));
}

}  // namespace
}  // namespace tiffin::gateway
