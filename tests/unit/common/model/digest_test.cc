#include "common/model/digest.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::model {
namespace {

// The test vectors of FIPS 180-2.
constexpr char kAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kEmpty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr char kMillionTimesA[] =
    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(DigestTest, GivesTheStandardsExamples) {
  EXPECT_EQ(Sha256Hex("abc"), kAbc);
  EXPECT_EQ(Sha256Hex(""), kEmpty);
}

TEST(DigestTest, ReadsFilesOfSeveralPieces) {
  TemporaryFolder folder;
  const std::filesystem::path path = std::filesystem::path(folder.path()) / "a";
  std::ofstream(path) << std::string(1'000'000, 'a');

  EXPECT_EQ(Sha256OfFile(path).value(), kMillionTimesA);
}

TEST(DigestTest, RefusesLinksFoldersAndWhatIsNotThere) {
  TemporaryFolder folder;
  const std::filesystem::path dir = folder.path();
  std::ofstream(dir / "file") << "abc";
  std::filesystem::create_symlink(dir / "file", dir / "link");

  EXPECT_THAT(Sha256OfFile(dir / "link").status().ToString(), testing::HasSubstr("symbolic link"));
  EXPECT_EQ(Sha256OfFile(dir).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Sha256OfFile(dir / "none").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace tiffin::model
