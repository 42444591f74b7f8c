#include "worker/runtime/access.h"

#include <string>
#include <utility>
#include <vector>

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::worker {
namespace {

using ::testing::HasSubstr;

std::string Error(const AccessFlags& flags, const std::string& listen) {
  const auto access = Access::Load(flags, listen);
  return access.ok() ? "" : std::string(Message(access.status()));
}

TEST(AccessTest, ASocketHasAPath) {
  EXPECT_EQ(SocketPath("unix:/run/a").value(), "/run/a");
  EXPECT_EQ(SocketPath("127.0.0.1:0").value(), std::nullopt);
  for (const std::string bad : {"unix:", "nowhere", ":9000", "host:"}) {
    EXPECT_THAT(std::string(Message(SocketPath(bad).status())),
                HasSubstr("must be unix:PATH or HOST:PORT"));
  }
  EXPECT_THAT(std::string(Message(SocketPath("").status())), HasSubstr("give --listen unix:PATH"));
}

TEST(AccessTest, AFolderThatIsMissingIsNamed) {
  EXPECT_THAT(Error({}, "unix:/nowhere/at/all"), HasSubstr("there is no folder '/nowhere/at'"));
}

TEST(AccessTest, NothingIsNeededOnThisMachine) {
  for (const std::string listen : {"unix:/run/a", "127.0.0.1:0", "[::1]:9000", "localhost:9000"}) {
    EXPECT_EQ(Error({}, listen), "");
  }
}

TEST(AccessTest, BeyondItSomethingIs) {
  for (const std::string listen : {"0.0.0.0:9000", "[::]:9000", "10.0.0.1:9000", "host:9000"}) {
    EXPECT_THAT(Error({}, listen), HasSubstr("is not the loopback"));
    EXPECT_EQ(Error({.insecure = true}, listen), "");
  }
}

TEST(AccessTest, ASocketTakesNoFlags) {
  EXPECT_THAT(Error({.insecure = true}, "unix:/run/a"), HasSubstr("rights of its folder"));
  EXPECT_THAT(Error({.tokens = "/nowhere"}, "unix:/run/a"), HasSubstr("rights of its folder"));
}

TEST(AccessTest, FilesThatAreWrongAreNamed) {
  EXPECT_THAT(Error({.tokens = "/nowhere"}, "127.0.0.1:0"), HasSubstr("--tokens"));
  EXPECT_THAT(Error({.certificate = "/nowhere", .key = "/nowhere"}, "127.0.0.1:0"),
              HasSubstr("--tls-certificate"));
}

}  // namespace
}  // namespace tiffin::worker
