#include "gateway/top/http_get.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "common/strings.h"
#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway::top {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

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

// A server that answers one request with the same words, whatever it is; or never.
class OneAnswer {
 public:
  explicit OneAnswer(std::optional<std::string> answer, int family = AF_INET)
      : listener_(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage at{};
    at.ss_family = static_cast<sa_family_t>(family);
    const bool is_v6 = family == AF_INET6;
    if (is_v6) {
      reinterpret_cast<sockaddr_in6&>(at).sin6_addr = in6addr_loopback;
    } else {
      reinterpret_cast<sockaddr_in&>(at).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    socklen_t size = is_v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    auto* const address = reinterpret_cast<sockaddr*>(&at);
    works_ = bind(listener_.get(), address, size) == 0 && listen(listener_.get(), 1) == 0 &&
             getsockname(listener_.get(), address, &size) == 0;
    url_ = {.tls = false,
            .host = is_v6 ? "::1" : "127.0.0.1",
            .port = std::to_string(ntohs(reinterpret_cast<sockaddr_in&>(at).sin_port)),
            .path = "/metrics"};
    if (works_ && answer.has_value()) {
      thread_ = std::thread([this, text = *std::move(answer)] { Answer(text); });
    }
  }
  ~OneAnswer() {
    shutdown(listener_.get(), SHUT_RDWR);  // If nobody has come.
    if (thread_.joinable()) thread_.join();
  }

  bool works() const { return works_; }
  const Url& url() const { return url_; }
  // After the answer.
  const std::string& request() {
    if (thread_.joinable()) thread_.join();
    return request_;
  }

 private:
  void Answer(const std::string& text) {
    const UniqueFd client(accept(listener_.get(), nullptr, nullptr));
    char buffer[4096];
    while (request_.find("\r\n\r\n") == std::string::npos) {
      const ssize_t size = read(client.get(), buffer, sizeof(buffer));
      if (size <= 0) return;
      request_.append(buffer, static_cast<size_t>(size));
    }
    EXPECT_EQ(write(client.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  UniqueFd listener_;
  bool works_ = false;
  Url url_;
  std::string request_;
  std::thread thread_;
};

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr char kPage[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage";

TEST(HttpGetTest, ThePageIsAskedFor) {
  OneAnswer server(kPage);
  security::ClientSecurity security;
  security.token = "secret";
  const auto page = HttpGet(server.url(), kPatience, security);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(*page, "page");
  EXPECT_THAT(server.request(), StartsWith("GET /metrics HTTP/1.1\r\n"));
  EXPECT_THAT(server.request(), HasSubstr(StrCat("Host: 127.0.0.1:", server.url().port, "\r\n")));
  EXPECT_THAT(server.request(), HasSubstr("Authorization: Bearer secret\r\n"));
}

TEST(HttpGetTest, AddressesOfVersionSixHaveBrackets) {
  OneAnswer server("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", AF_INET6);
  if (!server.works()) GTEST_SKIP() << "there is no IPv6 here";
  const std::string authority = StrCat("[::1]:", server.url().port);
  EXPECT_THAT(std::string(Message(HttpGet(server.url(), kPatience).status())),
              HasSubstr(StrCat("http://", authority, "/metrics answers with status 500")));
  EXPECT_THAT(server.request(), HasSubstr(StrCat("Host: ", authority, "\r\n")));
}

TEST(HttpGetTest, WhatIsNoPageIsSaid) {
  const auto status_of = [](const char* answer) {
    OneAnswer server(answer);
    return HttpGet(server.url(), kPatience).status();
  };
  EXPECT_EQ(status_of("HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n").code(),
            absl::StatusCode::kFailedPrecondition);
  for (const char* answer : {"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n",
                             "HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n"}) {
    EXPECT_EQ(status_of(answer).code(), absl::StatusCode::kUnauthenticated);
  }
  const absl::Status other = status_of("SSH-2.0-x\r\n\r\n");
  EXPECT_EQ(other.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(Message(other)), HasSubstr("does not speak HTTP/1"));
  EXPECT_EQ(status_of("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut").code(),
            absl::StatusCode::kUnavailable);
}

TEST(HttpGetTest, NobodyIsSaidAndWaitedForNoLongerThanToldTo) {
  Url nobody;
  {
    const OneAnswer server(std::nullopt);
    nobody = server.url();
    EXPECT_THAT(std::string(Message(HttpGet(nobody, absl::Milliseconds(20)).status())),
                HasSubstr("did not answer within 20ms"));
  }
  EXPECT_THAT(std::string(Message(HttpGet(nobody, kPatience).status())),
              HasSubstr(StrCat("nobody answers at http://127.0.0.1:", nobody.port)));
}

}  // namespace
}  // namespace tiffin::gateway::top
