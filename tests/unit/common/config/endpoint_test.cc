#include "common/config/endpoint.h"

#include <string>
#include <utility>
#include <vector>

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::config {
namespace {

TEST(EndpointTest, IsReadAndWrittenAsGrpcHasIt) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"unix:/run/a.sock", "unix:/run/a.sock"},
      {"unix:///run/a.sock", "unix:/run/a.sock"},
      {"10.0.0.1:9000", "ipv4:10.0.0.1:9000"},
      {"ipv4:10.0.0.1:9000", "ipv4:10.0.0.1:9000"},
      {"[::1]:9000", "ipv6:[::1]:9000"},
      {"ipv6:[fe80::2]:1", "ipv6:[fe80::2]:1"},
      {"model-a:9000", "dns:///model-a:9000"},
      {"dns:///model-a.default.svc.:9000", "dns:///model-a.default.svc.:9000"},
      {"dns:model-a:65535", "dns:///model-a:65535"},
      {"dns://10.0.0.2/model-a:9000", "dns://10.0.0.2/model-a:9000"},
      {"dns://10.0.0.2:5353/model-a:9000", "dns://10.0.0.2:5353/model-a:9000"},
      {"dns:///10.0.0.1:9000", "ipv4:10.0.0.1:9000"},
  };
  for (const auto& [text, written] : cases) {
    const auto endpoint = ParseEndpoint(text);
    ASSERT_TRUE(endpoint.ok()) << text << ": " << endpoint.status();
    EXPECT_EQ(ToString(*endpoint), written);
  }
}

TEST(EndpointTest, ErrorsSayWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "it has no port"},
      {"model-a", "it has no port"},
      {"model-a:", "it has no port"},
      {":9000", "'' is neither an address nor a name"},
      {"model-a:0", "the port must be a number from 1 to 65535, not '0'"},
      {"model-a:65536", "the port must be a number"},
      {"model-a:http", "the port must be a number"},
      {"model a:9000", "'model a' is neither an address nor a name"},
      {"10.0.0.300:9000", "'10.0.0.300' is neither an address nor a name"},
      {"::1:9000", "IPv6 addresses stand in [ ]"},
      {"ipv4:[::1]:9000", "'::1' is no such address"},
      {"ipv6:10.0.0.1:9000", "'10.0.0.1' is no such address"},
      {"unix:", "the path must begin with '/'"},
      {"unix:run/a.sock", "the path must begin with '/'"},
      {"unix:/" + std::string(104, 'a'), "the path has 105 bytes, and may have 104"},
      {"dns://model-a:9000", "there are three slashes before the name"},
      {"dns://server/model-a:9000", "the name server must be an address, not 'server'"},
      {"http://model-a:9000", "'http://model-a' is neither an address nor a name"},
  };
  for (const auto& [text, why] : cases) {
    const auto endpoint = ParseEndpoint(text);
    ASSERT_FALSE(endpoint.ok()) << text;
    EXPECT_THAT(std::string(Message(endpoint.status())), ::testing::HasSubstr(why));
    EXPECT_THAT(std::string(Message(endpoint.status())), ::testing::HasSubstr("; write unix:PATH"));
  }
}

TEST(EndpointTest, ABarePathIsAskedWhetherItIsASocket) {
  EXPECT_THAT(std::string(Message(ParseEndpoint("/run/x.sock").status())),
              ::testing::HasSubstr("did you mean 'unix:/run/x.sock'?"));
}

}  // namespace
}  // namespace tiffin::config
