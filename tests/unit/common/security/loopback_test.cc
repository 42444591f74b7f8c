#include "common/security/loopback.h"

#include "gtest/gtest.h"

namespace tiffin::security {
namespace {

TEST(LoopbackTest, OnlyWhatStaysOnTheMachineIs) {
  for (const char* address :
       {"127.0.0.1:8001", "127.9.9.9:1", "[::1]:8001", "localhost:80", "unix:/run/tiffin.sock"}) {
    EXPECT_TRUE(IsLoopback(address)) << address;
  }
  for (const char* address :
       {"0.0.0.0:8001", "[::]:8001", "10.0.0.1:80", "*:8001", "host:80", "localhost.example:80",
        "127.0.0.1.example:80", "", ":8001", "dns:///localhost:80"}) {
    EXPECT_FALSE(IsLoopback(address)) << address;
  }
}

}  // namespace
}  // namespace tiffin::security
