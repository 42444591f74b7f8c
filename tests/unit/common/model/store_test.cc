#include "common/model/store.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::model {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class StoreTest : public testing::Test {
 protected:
  static Model Described(std::string name) {
    Model model;
    model.name = std::move(name);
    model.backend = "testing";
    return model;
  }
  absl::StatusOr<Model> Import(const std::string& name, const std::string& contents = "weights") {
    auto staged = store_.Stage();
    if (!staged.ok()) return staged.status();
    std::ofstream(staged->path() / "model.bin") << contents;
    return store_.Publish(*std::move(staged), Described(name));
  }
  std::string NotFound(const std::string& reference) const {
    const auto model = store_.Find(reference);
    EXPECT_EQ(model.status().code(), absl::StatusCode::kNotFound) << reference;
    return std::string(model.status().message());
  }
  std::vector<std::string> Staged() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(store_.root() / ".staging")) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  TemporaryFolder folder_;
  Store store_{fs::path(folder_.path()) / "models"};
};

TEST_F(StoreTest, AStoreThatIsNotThereIsEmpty) {
  EXPECT_THAT(store_.List().value(), testing::IsEmpty());
  EXPECT_THAT(NotFound("ocr"), HasSubstr("which is empty; give the right one by --store DIR"));
}

TEST_F(StoreTest, PublishNumbersVersionsAndFindsThem) {
  const auto first = Import("digits", "a");
  const auto second = Import("digits", "b");
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(second.ok()) << second.status();

  EXPECT_EQ(first->version, 1);
  EXPECT_EQ(second->version, 2);
  EXPECT_EQ(store_.Find("digits:1").value().files, first->files);
  EXPECT_EQ(store_.Find("digits:latest").value().digest, second->digest);
  EXPECT_EQ(store_.Find("digits").value().version, 2);
  EXPECT_EQ(second->dir, store_.root() / "digits" / "2");
  absl::Time created;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, second->created, &created, nullptr));
  EXPECT_THAT(Staged(), testing::IsEmpty());
}

TEST_F(StoreTest, LatestIsTheHighestNumberNotTheLastWord) {
  ASSERT_TRUE(Import("digits").ok());
  fs::rename(store_.root() / "digits" / "1", store_.root() / "digits" / "9");
  std::ofstream yaml(store_.root() / "digits" / "9" / kModelFile);
  Model model = Described("digits");
  model.version = 9;
  yaml << ModelToYaml(model) << std::flush;

  EXPECT_EQ(Import("digits").value().version, 10);
  EXPECT_EQ(store_.Find("digits").value().version, 10);
  EXPECT_THAT(store_.Versions().value(), ElementsAre(Pair("digits", ElementsAre(9, 10))));
}

TEST_F(StoreTest, WhatIsNotThereIsToldWithWhatIs) {
  ASSERT_TRUE(Import("digits").ok());
  ASSERT_TRUE(Import("digits").ok());
  ASSERT_TRUE(Import("ocr").ok());

  EXPECT_THAT(NotFound("orc"), HasSubstr("no model 'orc' in the store"));
  EXPECT_THAT(NotFound("orc"), HasSubstr("have digits, ocr"));
  EXPECT_THAT(NotFound("digits:3"), HasSubstr("have versions 1, 2"));
}

TEST_F(StoreTest, BadReferencesAreRefused) {
  for (const std::string reference :
       {"", ":1", "../digits", "Digits", "digits:", "digits:0", "digits:-1", "digits:01",
        "digits:1:2", "digits:v1", "digits:99999999999999999999", "digits/1", ".staging"}) {
    EXPECT_EQ(store_.Find(reference).status().code(), absl::StatusCode::kInvalidArgument)
        << reference;
  }
}

TEST_F(StoreTest, AFolderThatDescribesAnotherModelIsRefused) {
  ASSERT_TRUE(Import("digits").ok());
  fs::create_directories(store_.root() / "letters");
  fs::rename(store_.root() / "digits" / "1", store_.root() / "letters" / "1");

  EXPECT_THAT(std::string(store_.Find("letters").status().message()),
              HasSubstr("describes 'digits:1', not 'letters:1'"));
}

TEST_F(StoreTest, LinksMustNotLeadOutOfTheStore) {
  ASSERT_TRUE(Import("inside").ok());
  const fs::path outside = fs::path(folder_.path()) / "outside";
  fs::copy(store_.root() / "inside", outside, fs::copy_options::recursive);
  fs::rename(store_.root() / "inside", folder_.path() + "/inside");
  // The whole of the model, then one version of it.
  fs::create_symlink(outside, store_.root() / "inside");
  const absl::Status whole = store_.Find("inside").status();
  EXPECT_EQ(whole.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(whole.message()),
              testing::AllOf(HasSubstr("leads out of the store"), HasSubstr(outside.string())));
  fs::remove(store_.root() / "inside");
  fs::create_directory(store_.root() / "inside");
  fs::create_symlink("../../outside/1", store_.root() / "inside" / "1");
  EXPECT_EQ(store_.Find("inside:1").status().code(), absl::StatusCode::kFailedPrecondition);
  // One within it may.
  fs::remove(store_.root() / "inside" / "1");
  fs::rename(outside / "1", store_.root() / ".kept");
  fs::create_symlink("../.kept", store_.root() / "inside" / "1");
  EXPECT_TRUE(store_.Find("inside:1").ok());
}

TEST_F(StoreTest, AFileThatIsALinkIsNoneOfTheModel) {
  const Model model = Import("linked").value();
  fs::remove(model.dir / "model.bin");
  std::ofstream(folder_.path() + "/secret") << "weights";  // The digest is right.
  fs::create_symlink(folder_.path() + "/secret", model.dir / "model.bin");
  EXPECT_EQ(VerifyFiles(model).code(), absl::StatusCode::kFailedPrecondition);
  fs::rename(model.dir / "model.yaml", folder_.path() + "/model.yaml");
  fs::create_symlink(folder_.path() + "/model.yaml", model.dir / "model.yaml");
  EXPECT_EQ(store_.Find("linked").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(StoreTest, PublishSkipsPlacesThatAreTaken) {
  fs::create_directories(store_.root() / "digits" / "3" / "something");
  std::ofstream(store_.root() / "digits" / "4") << "a file";

  EXPECT_EQ(Import("digits").value().version, 5);
  EXPECT_THAT(store_.Versions().value(), ElementsAre(Pair("digits", ElementsAre(5))));
}

TEST_F(StoreTest, ConcurrentPublishersGetDifferentVersions) {
  constexpr int kThreads = 4;
  constexpr int kEach = 8;
  std::vector<std::vector<int64_t>> versions(kThreads);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : versions) {
      threads.emplace_back([this, &mine] {
        for (int i = 0; i < kEach; ++i) {
          const auto model = Import("digits", std::to_string(i));
          ASSERT_TRUE(model.ok()) << model.status();
          mine.push_back(model->version);
        }
      });
    }
  }

  std::set<int64_t> all;
  for (const auto& mine : versions) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), size_t{kThreads * kEach});
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(*all.rbegin(), kThreads * kEach);
  const std::vector<Model> models = store_.List().value();
  for (const Model& model : models) EXPECT_TRUE(VerifyFiles(model).ok());
}

TEST_F(StoreTest, PublishRefusesBadNamesAndFolders) {
  EXPECT_FALSE(Import("../escape").ok());
  EXPECT_FALSE(Import("").ok());

  EXPECT_THAT(
      std::string(store_.Publish(store_.Stage().value(), Described("a")).status().message()),
      HasSubstr("has no files"));
  auto with_link = store_.Stage().value();
  fs::create_symlink("/etc/passwd", with_link.path() / "passwd");
  EXPECT_THAT(std::string(store_.Publish(std::move(with_link), Described("a")).status().message()),
              HasSubstr("symbolic link"));
  auto with_folder = store_.Stage().value();
  fs::create_directory(with_folder.path() / "folder");
  EXPECT_FALSE(store_.Publish(std::move(with_folder), Described("a")).ok());

  EXPECT_THAT(store_.Versions().value(), testing::IsEmpty());
  EXPECT_THAT(Staged(), testing::IsEmpty());
}

TEST_F(StoreTest, StagedFoldersAreNotSharedAndGoWhenDropped) {
  auto first = store_.Stage().value();
  auto second = store_.Stage().value();
  EXPECT_NE(first.path(), second.path());
  EXPECT_TRUE(fs::is_directory(first.path()));
  { const StagedFolder dropped = std::move(first); }
  EXPECT_THAT(Staged(), ElementsAre(second.path().filename().string()));
}

TEST_F(StoreTest, LeftoversOfADeadProcessAreSwept) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto staged = store_.Stage();
    ::_exit(staged.ok() && std::ofstream(staged->path() / "part") << "x" ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_EQ(Staged().size(), 1u);

  const auto mine = store_.Stage();
  ASSERT_TRUE(mine.ok()) << mine.status();
  EXPECT_THAT(Staged(), ElementsAre(mine->path().filename().string()));
  EXPECT_TRUE(fs::is_empty(mine->path()));
}

TEST_F(StoreTest, VerifyFilesFindsWhatChanged) {
  const Model model = Import("digits").value();
  ASSERT_TRUE(VerifyFiles(model).ok());

  std::ofstream(model.dir / "model.bin") << "Weights";
  EXPECT_EQ(VerifyFiles(model).code(), absl::StatusCode::kDataLoss);

  fs::remove(model.dir / "model.bin");
  EXPECT_EQ(VerifyFiles(model).code(), absl::StatusCode::kNotFound);

  fs::create_symlink("/etc/passwd", model.dir / "model.bin");
  EXPECT_THAT(std::string(VerifyFiles(model).message()), HasSubstr("symbolic link"));
}

TEST_F(StoreTest, TheRootComesFromTheEnvironment) {
  ::setenv("TIFFIN_STORE", "/somewhere", /*replace=*/1);
  EXPECT_EQ(Store::DefaultRoot(), "/somewhere");
  ::unsetenv("TIFFIN_STORE");
  ::setenv("HOME", "/home/somebody", /*replace=*/1);
  EXPECT_EQ(Store::DefaultRoot(), "/home/somebody/.tiffin/models");
}

}  // namespace
}  // namespace tiffin::model
