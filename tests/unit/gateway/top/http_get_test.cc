#include "gateway/top/http_get.h"

#include "gtest/gtest.h"

namespace tiffin::gateway::top {
namespace {

TEST(ParseUrlTest, AServersAddressIsAskedForItsMetrics) {
  for (const char* text : {"http://127.0.0.1:8000", "http://127.0.0.1:8000/"}) {
    const auto url = ParseUrl(text);
    ASSERT_TRUE(url.ok()) << text;
    EXPECT_EQ(url->host, "127.0.0.1");
    EXPECT_EQ(url->port, "8000");
    EXPECT_EQ(url->path, "/metrics");
  }
}

TEST(ParseUrlTest, TakesPathsDefaultPortsAndAddressesOfVersionSix) {
  const auto path = ParseUrl("http://host/tiffin/metrics");
  ASSERT_TRUE(path.ok());
  EXPECT_EQ(path->port, "80");
  EXPECT_EQ(path->path, "/tiffin/metrics");
  const auto six = ParseUrl("http://[::1]:8000");
  ASSERT_TRUE(six.ok());
  EXPECT_EQ(six->host, "::1");
  EXPECT_EQ(six->port, "8000");
}

TEST(ParseUrlTest, HttpsMeansTls) {
  const auto url = ParseUrl("https://host");
  ASSERT_TRUE(url.ok());
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->port, "443");
  EXPECT_FALSE(ParseUrl("http://host")->tls);
}

TEST(ParseUrlTest, RefusesWhatIsNoHttpUrl) {
  for (const char* text : {"", "127.0.0.1:8000", "ftp://a:1", "https://", "http://", "http://:80",
                           "http://a:", "http://a:http", "http://a:123456"}) {
    EXPECT_EQ(ParseUrl(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace tiffin::gateway::top
