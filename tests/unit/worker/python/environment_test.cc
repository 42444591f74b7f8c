#include "worker/python/environment.h"

#include <unistd.h>

#include <fstream>
#include <string>

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::worker {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

class EnvironmentTest : public ::testing::Test {
 protected:
  EnvironmentTest() { fs::create_directories(folder_); }
  ~EnvironmentTest() override { fs::remove_all(folder_); }

  void WriteConfig(const std::string& text) { std::ofstream(folder_ / "pyvenv.cfg") << text; }
  std::string Error() const { return std::string(FindEnvironment(folder_).status().message()); }

  const fs::path folder_ = fs::path(::testing::TempDir()) / StrCat("environment-", getpid());
};

TEST_F(EnvironmentTest, WithoutOneItIsTheSystemsOwn) {
  EXPECT_EQ(FindEnvironment("")->executable, StrCat("/usr/bin/python", OwnPythonVersion()));
}

TEST_F(EnvironmentTest, OneOfTheSameVersionIsTaken) {
  for (const std::string& line :
       {StrCat("version = ", OwnPythonVersion(), ".7"), StrCat("version=", OwnPythonVersion()),
        StrCat("version_info = ", OwnPythonVersion(), ".2.final.0")}) {
    WriteConfig(
        StrCat("home = /opt/python/bin\ninclude-system-site-packages = false\n", line, "\n"));
    const auto found = FindEnvironment(folder_);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->executable, folder_ / "bin/python");
  }
}

TEST_F(EnvironmentTest, OneOfAnotherVersionIsNamedWithOurs) {
  WriteConfig("version = 3.12.1\n");
  EXPECT_THAT(Error(), AllOf(HasSubstr("of Python 3.12.1"), HasSubstr(OwnPythonVersion()),
                             HasSubstr("-m venv")));
  WriteConfig("version = 3.1.1\n");
  EXPECT_THAT(Error(), HasSubstr("of Python 3.1.1"));
}

TEST_F(EnvironmentTest, WhatIsNoneIsTold) {
  EXPECT_THAT(Error(), HasSubstr("is no virtual environment"));
  WriteConfig("home = /usr/bin\n");
  EXPECT_THAT(Error(), HasSubstr("names no version"));
  EXPECT_THAT(FindEnvironment(folder_ / "none").status().message(), HasSubstr("no such folder"));
}

}  // namespace
}  // namespace tiffin::worker
