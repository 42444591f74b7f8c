#include "gateway/supervisor/runtime_dir.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;

class RuntimeDirTest : public ::testing::Test {
 protected:
  RuntimeDir MustCreate() const {
    auto made = RuntimeDir::Create(base_);
    if (!made.ok()) {
      ADD_FAILURE() << made.status();
      std::abort();
    }
    return *std::move(made);
  }
  static fs::perms Permissions(const fs::path& path) { return fs::status(path).permissions(); }
  // What a run that was killed has left.
  fs::path Leftover(const std::string& name) const {
    const fs::path folder = base_ / name;
    fs::create_directories(folder);
    std::ofstream(folder / "lock").flush();
    std::ofstream(folder / "w1.fd").flush();
    return folder;
  }
  // Why `base` is refused.
  static std::string Refused(const fs::path& base) {
    const auto made = RuntimeDir::Create(base);
    EXPECT_TRUE(absl::IsFailedPrecondition(made.status())) << made.status();
    return std::string(made.status().message());
  }

  TemporaryFolder folder_;
  const fs::path base_ = fs::path(folder_.path()) / "base";
};

TEST_F(RuntimeDirTest, MakesAPrivateFolderInAPrivateBase) {
  const RuntimeDir dir = MustCreate();

  EXPECT_EQ(dir.path().parent_path(), base_);
  EXPECT_EQ(Permissions(base_), fs::perms::owner_all);
  EXPECT_EQ(Permissions(dir.path()), fs::perms::owner_all);
}

TEST_F(RuntimeDirTest, MakesTheFoldersAboveItsBase) {
  const auto dir = RuntimeDir::Create(base_ / "deep" / "er");

  EXPECT_TRUE(dir.ok()) << dir.status();
}

TEST_F(RuntimeDirTest, DestructionRemovesTheFolder) {
  fs::path path;
  {
    const RuntimeDir dir = MustCreate();
    path = dir.path();
    std::ofstream(path / "w1") << "left";
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(fs::exists(base_));
}

TEST_F(RuntimeDirTest, AMovedFolderIsRemovedByItsNewOwnerOnly) {
  std::optional<RuntimeDir> owner;
  {
    RuntimeDir dir = MustCreate();
    owner.emplace(std::move(dir));
  }
  EXPECT_TRUE(fs::exists(owner->path()));
  const RuntimeDir another = MustCreate();
  EXPECT_TRUE(fs::exists(owner->path())) << "its lock was lost in the move";
}

TEST_F(RuntimeDirTest, RunsAtTheSameTimeHaveFoldersOfTheirOwn) {
  const RuntimeDir first = MustCreate();
  const RuntimeDir second = MustCreate();

  EXPECT_NE(first.path(), second.path());
  EXPECT_TRUE(fs::exists(first.path())) << "a locked folder was removed";
}

TEST_F(RuntimeDirTest, RemovesWhatDeadRunsHaveLeftAndNothingElse) {
  const RuntimeDir alive = MustCreate();
  const fs::path left = Leftover("left");
  fs::create_directory(base_ / "not ours");  // It has no lock.
  std::ofstream(base_ / "file") << "not ours";
  fs::create_directory_symlink(folder_.path(), base_ / "link");

  const RuntimeDir next = MustCreate();

  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(alive.path()));
  EXPECT_TRUE(fs::exists(base_ / "not ours"));
  EXPECT_TRUE(fs::exists(base_ / "file"));
  EXPECT_TRUE(fs::exists(fs::symlink_status(base_ / "link")));
}

TEST_F(RuntimeDirTest, DoesNotFollowALinkToSomebodysFolder) {
  const fs::path victim = fs::path(folder_.path()) / "victim";
  fs::create_directory(victim);
  std::ofstream(victim / "lock").flush();
  std::ofstream(victim / "precious").flush();
  fs::create_directory(base_);
  fs::permissions(base_, fs::perms::owner_all);
  fs::create_directory_symlink(victim, base_ / "link");

  const RuntimeDir dir = MustCreate();

  EXPECT_TRUE(fs::exists(victim / "precious"));
}

TEST_F(RuntimeDirTest, ABaseThatOthersCanWriteToIsRefused) {
  for (const fs::perms extra : {fs::perms::group_write, fs::perms::others_write}) {
    fs::create_directory(base_);
    fs::permissions(base_, fs::perms::owner_all | extra);

    EXPECT_THAT(Refused(base_), HasSubstr("--runtime-dir"));
    fs::remove(base_);
  }
}

TEST_F(RuntimeDirTest, ABaseThatIsALinkOrAFileIsRefused) {
  fs::create_directory(fs::path(folder_.path()) / "target");
  fs::create_directory_symlink(fs::path(folder_.path()) / "target", base_);
  EXPECT_THAT(Refused(base_), HasSubstr(base_.native()));

  const fs::path file = fs::path(folder_.path()) / "file";
  std::ofstream(file) << "x";
  EXPECT_THAT(Refused(file), HasSubstr(file.native()));
}

TEST_F(RuntimeDirTest, ABaseOfSomebodyElseIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make one";
  fs::create_directory(base_);
  fs::permissions(base_, fs::perms::owner_all);
  ASSERT_EQ(chown(base_.c_str(), 65534, 65534), 0);

  EXPECT_THAT(Refused(base_), HasSubstr("yours"));
}

TEST_F(RuntimeDirTest, ABaseTooLongForSocketsIsRefused) {
  EXPECT_THAT(Refused(base_ / std::string(100, 'x')), HasSubstr("too long"));
}

TEST_F(RuntimeDirTest, StartsAtTheSameTimeDoNotRemoveEachOther) {
  absl::Mutex mutex;
  std::vector<RuntimeDir> made;
  std::vector<std::thread> starts;
  for (int i = 0; i < 8; ++i) {
    starts.emplace_back([&] {
      RuntimeDir dir = MustCreate();
      const absl::MutexLock lock(&mutex);
      made.push_back(std::move(dir));
    });
  }
  for (std::thread& start : starts) start.join();

  for (const RuntimeDir& dir : made) EXPECT_TRUE(fs::exists(dir.path() / "lock"));
}

TEST_F(RuntimeDirTest, TheDefaultIsInTheUsersRuntimeFolder) {
  const char* const before = std::getenv("XDG_RUNTIME_DIR");
  const std::optional<std::string> kept =
      before == nullptr ? std::nullopt : std::optional<std::string>(before);

  setenv("XDG_RUNTIME_DIR", "/run/user/1000", 1);
  EXPECT_EQ(RuntimeDir::DefaultBase(), "/run/user/1000/tiffin");
  setenv("XDG_RUNTIME_DIR", "", 1);
  EXPECT_EQ(RuntimeDir::DefaultBase(),
            fs::temp_directory_path() / ("tiffin-" + std::to_string(geteuid())));

  if (kept.has_value()) {
    setenv("XDG_RUNTIME_DIR", kept->c_str(), 1);
  } else {
    unsetenv("XDG_RUNTIME_DIR");
  }
}

}  // namespace
}  // namespace tiffin::gateway
