#include "gateway/commands/new_service.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/common/temporary_folder.h"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string ReadAll(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> Names(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class WriteServiceTest : public ::testing::Test {
 protected:
  const TemporaryFolder temporary_;
  const fs::path root_ = temporary_.path();
};

TEST_F(WriteServiceTest, WritesWhatItNames) {
  const auto files = WriteService({.name = "my_dinner", .runner = "python", .folder = root_ / "x"});

  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(*files, ElementsAre("README.md", "requirements.txt", "runner.py", "service.yaml",
                                  "test_service.py"));
  EXPECT_EQ(Names(root_ / "x"), *files);
  EXPECT_THAT(ReadAll(root_ / "x/service.yaml"), HasSubstr("\nservice: my_dinner\n"));
  EXPECT_THAT(ReadAll(root_ / "x/README.md"),
              HasSubstr("tiffin.services.my_dinner.MyDinner/Predict"));
}

TEST_F(WriteServiceTest, LeavesNoBracesInEitherKind) {
  for (const char* runner : {"python", "cpp"}) {
    const auto files = WriteService({.name = "x", .runner = runner, .folder = root_ / runner});

    ASSERT_TRUE(files.ok()) << files.status();
    for (const std::string& file : *files) {
      const std::string text = ReadAll(root_ / runner / file);
      for (const char* left : {"{{name", "{{Name", "{{flags"}) {
        EXPECT_THAT(text, Not(HasSubstr(left))) << file;
      }
    }
  }
}

TEST_F(WriteServiceTest, TakesAFolderThatIsEmpty) {
  EXPECT_TRUE(WriteService({.name = "x", .runner = "cpp", .folder = root_}).ok());
  EXPECT_THAT(Names(root_), Contains("runner.cc"));
}

TEST_F(WriteServiceTest, RefusesAFolderWithSomethingInIt) {
  std::ofstream(root_ / "mine") << "mine";

  const auto files = WriteService({.name = "x", .runner = "cpp", .folder = root_});

  EXPECT_EQ(files.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(files.status().ToString(), HasSubstr("is not empty (it has 'mine')"));
  EXPECT_THAT(Names(root_), ElementsAre("mine"));
}

TEST_F(WriteServiceTest, RefusesWhatCanBeNoFolder) {
  fs::create_symlink("nowhere", root_ / "dangling");
  std::ofstream(root_ / "file") << "mine";
  for (const fs::path& folder : {root_ / "a/b", root_ / "dangling", root_ / "file", fs::path()}) {
    const auto files = WriteService({.name = "x", .runner = "python", .folder = folder});

    EXPECT_EQ(files.status().code(), absl::StatusCode::kFailedPrecondition) << folder;
    EXPECT_THAT(files.status().ToString(), HasSubstr("--into"));
  }
  EXPECT_THAT(Names(root_), ElementsAre("dangling", "file"));
}

TEST(CheckServiceNameTest, TakesWhatAServiceFileTakes) {
  for (const char* name : {"mood", "a", "my_service_2", "on"}) {
    EXPECT_TRUE(CheckServiceName(name).ok()) << name;
  }
  for (const char* name : {"", "Mood", "2nd", "_x", "a-b", "a/b", "../x", "true", "null"}) {
    EXPECT_EQ(CheckServiceName(name).code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace tiffin::gateway
