#include "gateway/commands/wire_limits.h"

#include <sys/resource.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The flags of a command line; an error's text where it is none.
absl::StatusOr<WireFlags> FlagsOf(const std::string& line) {
  CLI::App app;
  WireFlags flags;
  AddWireFlags(app, flags);
  try {
    app.parse(line);
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  return flags;
}

TEST(WireLimitsTest, TheDefaultsAreThoseOfTheServers) {
  const auto flags = FlagsOf("");
  ASSERT_TRUE(flags.ok()) << flags.status();
  const auto limits = LimitsOf(*flags);
  ASSERT_TRUE(limits.ok()) << limits.status();
  EXPECT_EQ(limits->rpc.max_message_bytes, RpcLimits{}.max_message_bytes);
  EXPECT_EQ(limits->rpc.max_received_bytes, RpcLimits{}.max_received_bytes);
  EXPECT_EQ(limits->rpc.max_unsent_bytes, RpcLimits{}.max_unsent_bytes);
  EXPECT_EQ(limits->rpc.max_connections, RpcLimits{}.max_connections);
  EXPECT_EQ(limits->rpc.max_streams, RpcLimits{}.max_streams);
  EXPECT_EQ(limits->rpc.keepalive, RpcLimits{}.keepalive);
  EXPECT_EQ(limits->rpc.send, RpcLimits{}.send);
  EXPECT_EQ(limits->http.max_connections, http::Limits{}.max_connections);
  EXPECT_EQ(limits->http.max_body_bytes, http::Limits{}.max_body_bytes);
  EXPECT_EQ(limits->http.max_bodies_bytes, http::Limits{}.max_bodies_bytes);
  EXPECT_EQ(limits->http.max_answers_bytes, http::Limits{}.max_answers_bytes);
  EXPECT_EQ(limits->http.write, http::Limits{}.write);
}

TEST(WireLimitsTest, EachFlagSetsTheLimitsThatItIsOf) {
  const auto flags = FlagsOf(
      "--max-message 100000 --in-flight-limit 200000 --grpc-connections 3 --http-connections 4 "
      "--max-streams 5 --keepalive 6s --send-timeout 7s");
  ASSERT_TRUE(flags.ok()) << flags.status();
  const auto limits = LimitsOf(*flags);
  ASSERT_TRUE(limits.ok()) << limits.status();
  EXPECT_EQ(limits->rpc.max_message_bytes, 100'000);
  EXPECT_EQ(limits->http.max_body_bytes, 100'000U);
  EXPECT_EQ(limits->rpc.max_received_bytes, 200'000U);
  EXPECT_EQ(limits->rpc.max_unsent_bytes, 200'000U);
  EXPECT_EQ(limits->http.max_bodies_bytes, 200'000U);
  EXPECT_EQ(limits->http.max_answers_bytes, 200'000U);
  EXPECT_EQ(limits->rpc.max_connections, 3);
  EXPECT_EQ(limits->http.max_connections, 4);
  EXPECT_EQ(limits->rpc.max_streams, 5);
  EXPECT_EQ(limits->rpc.keepalive, absl::Seconds(6));
  EXPECT_EQ(limits->rpc.send, absl::Seconds(7));
  EXPECT_EQ(limits->http.write, absl::Seconds(7));
}

TEST(WireLimitsTest, WhatIsOutOfRangeIsRefused) {
  for (const char* wrong :
       {"--max-message 65535", "--max-message 1073741825", "--in-flight-limit 1",
        "--grpc-connections 0", "--grpc-connections 65536", "--http-connections -1",
        "--max-streams 0", "--keepalive 0s", "--keepalive 999ms", "--send-timeout 25h",
        "--send-timeout soon"}) {
    const auto flags = FlagsOf(wrong);
    const std::string flag = std::string(wrong).substr(0, std::string(wrong).find(' '));
    EXPECT_FALSE(flags.ok()) << wrong;
    EXPECT_THAT(std::string(Message(flags.status())), HasSubstr(flag)) << wrong;
  }
}

TEST(WireLimitsTest, OneMessageHasToHaveRoom) {
  const auto flags = FlagsOf("--max-message 100001 --in-flight-limit 100000");
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_THAT(std::string(Message(LimitsOf(*flags).status())),
              AllOf(HasSubstr("--max-message 100001"), HasSubstr("--in-flight-limit 100000")));
}

[[noreturn]] void ExitBy(rlim_t hard, const std::function<bool()>& holds) {
  const rlimit files{.rlim_cur = hard / 2, .rlim_max = hard};
  std::exit(setrlimit(RLIMIT_NOFILE, &files) == 0 && holds() ? 0 : 1);
}

// In a process of its own, for the limit can't be raised again.
void WithOpenFiles(rlim_t hard, const std::function<bool()>& holds) {
  EXPECT_EXIT(ExitBy(hard, holds), ::testing::ExitedWithCode(0), "");
}

class FitDescriptorsTest : public ::testing::Test {
 protected:
  FitDescriptorsTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(FitDescriptorsTest, TheLimitIsRaisedToWhatTheUserMayHave) {
  WithOpenFiles(10'000, [] {
    const auto limits = FitDescriptors({});
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    return limits.ok() && limits->rpc.max_connections == RpcLimits{}.max_connections &&
           limits->http.max_connections == http::Limits{}.max_connections &&
           files.rlim_cur == 10'000;
  });
}

TEST_F(FitDescriptorsTest, DefaultsAreCutToWhatThereIs) {
  WithOpenFiles(1024, [] {
    const auto limits = FitDescriptors({});
    return limits.ok() && limits->rpc.max_connections == 512 && limits->http.max_connections == 256;
  });
}

TEST_F(FitDescriptorsTest, WhatWasAskedForIsNotCut) {
  WithOpenFiles(1024, [] {
    WireLimits limits;
    limits.http.max_connections = 1000;
    const auto fit = FitDescriptors(limits);
    return absl::IsResourceExhausted(fit.status()) &&
           Message(fit.status()).find("--http-connections 1000") != std::string_view::npos &&
           Message(fit.status()).find("ulimit -Hn") != std::string_view::npos;
  });
}

TEST_F(FitDescriptorsTest, TooFewForAnythingIsSaid) {
  WithOpenFiles(500, [] { return absl::IsResourceExhausted(FitDescriptors({}).status()); });
}

}  // namespace
}  // namespace tiffin::gateway
