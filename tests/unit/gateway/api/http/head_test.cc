#include "gateway/api/http/head.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway::http {
namespace {

using ::testing::HasSubstr;

Request Post(std::vector<Field> fields, std::string target = "/a?b=c") {
  return {.method = "POST", .target = std::move(target), .fields = std::move(fields), .body = ""};
}

Head Taken(const Request& request, unsigned version = 11) {
  const auto head = ReadHead(request, version);
  const auto* error = std::get_if<HeadError>(&head);
  EXPECT_EQ(error, nullptr) << error->message;
  return error == nullptr ? std::get<Head>(head) : Head{};
}

HeadError Refused(const Request& request, unsigned version = 11) {
  const auto head = ReadHead(request, version);
  const auto* error = std::get_if<HeadError>(&head);
  EXPECT_NE(error, nullptr) << request.target;
  return error == nullptr ? HeadError{} : *error;
}

TEST(HeadTest, APlainRequestIsTakenAsItIs) {
  const Head head = Taken(Post({{"host", "x:80"}, {"content-length", "3"}}));
  EXPECT_EQ(head.target, "/a?b=c");
  EXPECT_EQ(head.coding, ContentCoding::kIdentity);
  EXPECT_FALSE(head.expects_continue);
}

TEST(HeadTest, TargetsLoseTheirAuthority) {
  const auto target = [](std::string text) { return Taken(Post({{"host", ""}}, text)).target; };
  EXPECT_EQ(target("http://x/a?b"), "/a?b");
  EXPECT_EQ(target("HTTPS://[::1]:8000/a"), "/a");
  EXPECT_EQ(target("http://x?http://y"), "/?http://y");
  EXPECT_EQ(target("http://x"), "/");
  EXPECT_EQ(target("//x/a"), "//x/a");
  for (const char* wrong : {"", "a", "*", "x:80", "http:/a", "http://", "http:///a", "ws://x/a",
                            "http://me@x/a", "http://x:y/a", "http://a b/"}) {
    EXPECT_EQ(Refused(Post({{"host", "x"}}, wrong)).status, 400) << wrong;
  }
}

TEST(HeadTest, TheStarIsForOptions) {
  Request request = Post({{"host", "x"}}, "*");
  request.method = "OPTIONS";
  EXPECT_EQ(Taken(request).target, "*");
  request.target = "http://x";
  EXPECT_EQ(Taken(request).target, "*");
  request.method = "CONNECT";
  EXPECT_EQ(Refused(request).status, 501);
}

TEST(HeadTest, BodiesHaveOneLength) {
  const auto with = [](std::vector<Field> fields) {
    fields.push_back({"host", "x"});
    return Post(std::move(fields));
  };
  Taken(with({{"transfer-encoding", "Chunked"}}));
  EXPECT_EQ(Refused(with({{"transfer-encoding", "chunked"}}), 10).status, 400);
  EXPECT_EQ(Refused(with({{"transfer-encoding", ""}})).status, 400);
  EXPECT_EQ(Refused(with({{"transfer-encoding", "gzip"}, {"content-length", "1"}})).status, 400);
  for (const char* unknown : {"gzip", "gzip, chunked", "chunked, chunked", "chunked,", "x"}) {
    const HeadError error = Refused(with({{"transfer-encoding", unknown}}));
    EXPECT_EQ(error.status, 501) << unknown;
    EXPECT_THAT(error.message, HasSubstr(unknown));
  }
}

TEST(HeadTest, ThereIsOneHost) {
  EXPECT_THAT(Refused(Post({})).message, HasSubstr("no Host"));
  Taken(Post({}), 10);
  EXPECT_THAT(Refused(Post({{"host", "x"}, {"host", "x"}}), 10).message, HasSubstr("2 Hosts"));
  for (const char* good : {"", "x", "x:", "x:1", "127.0.0.1:1", "[::1]", "[::1]:1", "a_b-c.d%20"}) {
    Taken(Post({{"host", good}}));
  }
  for (const char* wrong :
       {"x y", "x,y", "x/y", "me@x", "x:y", "[::1", "[]", "[x]y", "::1", "\xFF"}) {
    EXPECT_EQ(Refused(Post({{"host", wrong}})).status, 400) << wrong;
  }
}

TEST(HeadTest, LinesOfAFieldAreOneList) {
  const auto with = [](std::string name, std::string first, std::string second) {
    return Post({{"host", "x"}, {name, first}, {name, second}});
  };
  EXPECT_EQ(Taken(with("content-encoding", "", "gzip")).coding, ContentCoding::kZlib);
  EXPECT_EQ(Taken(with("content-encoding", "gzip", "identity")).coding, ContentCoding::kZlib);
  EXPECT_EQ(Refused(with("content-encoding", "gzip", "br")).status, 415);
  EXPECT_EQ(Refused(with("content-encoding", "gzip", "gzip")).status, 415);
  EXPECT_EQ(Refused(with("expect", "100-continue", "more")).status, 417);
  EXPECT_EQ(Refused(with("transfer-encoding", "gzip", "chunked")).status, 501);
}

TEST(HeadTest, Http10ExpectsNothing) {
  const Request request = Post({{"host", "x"}, {"expect", "100-Continue"}});
  EXPECT_TRUE(Taken(request).expects_continue);
  EXPECT_FALSE(Taken(request, 10).expects_continue);
}

}  // namespace
}  // namespace tiffin::gateway::http
