#include "common/security/watched_files.h"

#include <filesystem>

#include "gtest/gtest.h"
#include "tests/unit/common/security/made_certificates.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::security {
namespace {

TEST(WatchedFilesTest, AChangeIsOneWhenItHasStayed) {
  const TemporaryFolder folder;
  const std::string file = folder.path() + "/a";
  WriteFile(file, "1");
  WatchedFiles watched({file});
  EXPECT_FALSE(watched.Changed());
  WriteFile(file, "12");
  EXPECT_FALSE(watched.Changed());  // It may be written to still.
  WriteFile(file, "123");
  EXPECT_FALSE(watched.Changed());
  EXPECT_TRUE(watched.Changed());
  EXPECT_FALSE(watched.Changed());
}

TEST(WatchedFilesTest, AChangeThatIsTakenBackIsNone) {
  const TemporaryFolder folder;
  const std::string file = folder.path() + "/a";
  WriteFile(file, "1");
  WatchedFiles watched({file});
  std::filesystem::rename(file, file + ".moved");
  EXPECT_FALSE(watched.Changed());
  std::filesystem::rename(file + ".moved", file);
  EXPECT_FALSE(watched.Changed());
  EXPECT_FALSE(watched.Changed());
}

// As Kubernetes replaces a mounted secret: the files stay links, what they lead through is renamed.
TEST(WatchedFilesTest, LinksAreFollowed) {
  const TemporaryFolder folder;
  namespace fs = std::filesystem;
  for (const char* version : {"/v1", "/v2"}) {
    fs::create_directory(folder.path() + version);
    WriteFile(folder.path() + version + "/a", "same");
  }
  fs::create_symlink("v1", folder.path() + "/data");
  fs::create_symlink("data/a", folder.path() + "/a");
  WatchedFiles watched({folder.path() + "/a"});
  fs::create_symlink("v2", folder.path() + "/data.new");
  fs::rename(folder.path() + "/data.new", folder.path() + "/data");
  EXPECT_FALSE(watched.Changed());
  EXPECT_TRUE(watched.Changed());
}

}  // namespace
}  // namespace tiffin::security
