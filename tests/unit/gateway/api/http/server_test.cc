#include "gateway/api/http/server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "common/strings.h"
#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"

namespace tiffin::gateway::http {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Answers /hold when the test says so, all else at once with the request's own words.
class TestHandler : public Handler {
 public:
  Answer Take(Request request) override {
    return [this, request = std::move(request)](Exchange& exchange) {
      if (request.path() != "/hold") {
        exchange.Respond({.status = 200,
                          .fields = {},
                          .body = StrCat(request.method, " ", request.target, " ", request.body)});
        return;
      }
      held.push_back(&exchange);
      exchange.OnCancelled([this, &exchange] {
        ++cancelled;
        exchange.Finish(absl::CancelledError("gone"), std::nullopt);
      });
    };
  }

  // On the loop's thread.
  std::vector<Exchange*> held;
  int cancelled = 0;
};

std::string Deflated(std::string_view text) {
  uLongf size = compressBound(static_cast<uLong>(text.size()));
  std::string coded(size, '\0');
  if (compress(reinterpret_cast<Bytef*>(coded.data()), &size,
               reinterpret_cast<const Bytef*>(text.data()),
               static_cast<uLong>(text.size())) != Z_OK) {
    std::abort();
  }
  coded.resize(size);
  return coded;
}

// A client that knows nothing of HTTP.
class Client {
 public:
  explicit Client(const std::string& address) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) std::abort();
  }
  void Send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // The server has closed it.
      text.remove_prefix(static_cast<size_t>(sent));
    }
  }
  void HalfClose() { shutdown(fd_.get(), SHUT_WR); }
  void Close() { fd_ = UniqueFd(); }
  // Until `end` has come, or the connection is closed.
  std::string ReadUntil(std::string_view end) {
    std::string text;
    while (text.find(end) == text.npos) {
      pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
      if (poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(kPatience))) != 1) {
        return text + "<timed out>";
      }
      char buffer[4096];
      const ssize_t size = read(fd_.get(), buffer, sizeof(buffer));
      if (size <= 0) return text;
      text.append(buffer, static_cast<size_t>(size));
    }
    return text;
  }
  std::string ReadToEnd() { return ReadUntil("<no server says this>"); }

 private:
  UniqueFd fd_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  ~HttpServerTest() override {
    if (server_ != nullptr) server_->Shutdown(absl::ZeroDuration());
    loop_.Stop();
  }
  void Open(const Limits& limits = {}) {
    server_ = std::make_unique<Server>(limits);
    const auto address = loop_.Do([&] {
      return server_->Open("127.0.0.1:0", {{loop_.loop(), handler_}});
    });
    ASSERT_TRUE(address.ok()) << address.status();
    address_ = *address;
  }
  [[nodiscard]] bool AwaitHeld() {
    return loop_.Await([this] { return !handler_.held.empty(); });
  }

  TestHandler handler_;
  LoopThread loop_;
  std::unique_ptr<Server> server_;
  std::string address_;
};

constexpr char kGet[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr char kHold[] = "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(HttpServerTest, RequestsGoToTheLoopsInTurns) {
  TestHandler other_handler;
  LoopThread other_loop;
  server_ = std::make_unique<Server>();
  const auto address = loop_.Do([&] {
    return server_->Open("127.0.0.1:0",
                         {{loop_.loop(), handler_}, {other_loop.loop(), other_handler}});
  });
  ASSERT_TRUE(address.ok()) << address.status();
  Client keeps(*address);
  keeps.Send(kGet);
  keeps.ReadUntil("GET /a ");

  keeps.Send(kHold);  // Of one connection, too.

  ASSERT_TRUE(other_loop.Await([&] { return other_handler.held.size() == 1; }));
  Client second(*address);
  second.Send(kHold);
  ASSERT_TRUE(AwaitHeld());
  keeps.Close();  // A client's end is told on the loop that has its request.
  EXPECT_TRUE(other_loop.Await([&] { return other_handler.cancelled == 1; }));
  EXPECT_EQ(loop_.Do([&] { return handler_.cancelled; }), 0);
  server_->Shutdown(absl::ZeroDuration());
}

TEST_F(HttpServerTest, ConnectionsAreKept) {
  Open();
  Client client(address_);
  for (int i = 0; i < 3; ++i) {
    client.Send(kGet);
    const std::string answer = client.ReadUntil("GET /a ");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("Content-Type: application/json\r\n"));
  }
  client.Send("GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.ReadToEnd(), EndsWith("GET /b "));
  Client old(address_);
  old.Send("GET /c HTTP/1.0\r\n\r\n");
  EXPECT_THAT(old.ReadToEnd(), EndsWith("GET /c "));
}

TEST_F(HttpServerTest, RequestsSentAheadAreAnsweredInOrder) {
  Open();
  Client client(address_);
  std::string requests = kHold;
  for (int i = 0; i < 100; ++i) {
    requests += StrCat("POST /p", i, " HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
  }
  client.Send(requests + "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(AwaitHeld());
  loop_.Do([&] { handler_.held[0]->Respond({.status = 200, .fields = {}, .body = "held"}); });
  const std::string answers = client.ReadToEnd();
  size_t at = answers.find("held");
  for (int i = 0; i < 100; ++i) {
    ASSERT_NE(at, std::string::npos) << i;
    at = answers.find(StrCat("POST /p", i, " body"), at);
  }
  EXPECT_THAT(answers, EndsWith("GET /last "));
}

TEST_F(HttpServerTest, ChunkedBodiesAndContinue) {
  Open();
  Client client(address_);
  client.Send(
      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("POST /a abc"), HasSubstr(" 200 "));
  client.Send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 100 Continue"));
  client.Send("de");
  EXPECT_THAT(client.ReadUntil("POST /a de"), HasSubstr(" 200 "));
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  Open();
  Client client(address_);
  client.Send("HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string answer = client.ReadToEnd();
  EXPECT_THAT(answer, HasSubstr("Content-Length: 8\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, AClientThatGoesAwayCancels) {
  Open();
  Client client(address_);
  client.Send(kHold);
  ASSERT_TRUE(AwaitHeld());
  client.Close();
  EXPECT_TRUE(loop_.Await([this] { return handler_.cancelled == 1; }));
}

TEST_F(HttpServerTest, WhatIsTooLargeIsRefused) {
  Limits limits;
  limits.max_body_bytes = 10;
  limits.max_header_bytes = 1000;
  Open(limits);
  Client header(address_);
  header.Send("GET /a HTTP/1.1\r\nX: " + std::string(2000, 'x'));
  EXPECT_THAT(header.ReadToEnd(), StartsWith("HTTP/1.1 431 "));
  Client body(address_);
  body.Send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(body.ReadUntil("}\n"), StartsWith("HTTP/1.1 413 "));
  Client chunked(address_);
  chunked.Send(
      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n");
  EXPECT_THAT(chunked.ReadUntil("}\n"), StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, WhatIsNotHttpIsRefused) {
  Open();
  Client nonsense(address_);
  nonsense.Send("nonsense\r\n\r\n");
  nonsense.HalfClose();
  EXPECT_THAT(nonsense.ReadToEnd(), StartsWith("HTTP/1.1 400 "));
  Client truncated(address_);
  truncated.Send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  truncated.HalfClose();
  EXPECT_THAT(truncated.ReadToEnd(), StartsWith("HTTP/1.1 400 "));
  Client smuggled(address_);
  smuggled.Send(
      "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc");
  smuggled.HalfClose();
  EXPECT_THAT(smuggled.ReadToEnd(), StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpServerTest, SlowClientsAreDropped) {
  Limits limits;
  limits.idle = limits.header = limits.body = absl::Milliseconds(20);
  Open(limits);
  Client idle(address_);
  EXPECT_EQ(idle.ReadToEnd(), "");
  Client header(address_);
  header.Send("GET /a HT");
  EXPECT_EQ(header.ReadToEnd(), "");
  Client body(address_);
  body.Send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(body.ReadToEnd(), "");
}

TEST_F(HttpServerTest, OneConnectionTooManyIsTurnedAway) {
  Limits limits;
  limits.max_connections = 1;
  Open(limits);
  Client first(address_);
  first.Send(kGet);
  EXPECT_THAT(first.ReadUntil("GET /a "), HasSubstr(" 200 "));
  Client second(address_);
  EXPECT_THAT(second.ReadToEnd(), StartsWith("HTTP/1.1 503 "));
}

TEST_F(HttpServerTest, ShutdownLetsAnswersOutAndCancelsWhatTakesTooLong) {
  Open();
  Client idle(address_);
  idle.Send(kGet);
  EXPECT_THAT(idle.ReadUntil("GET /a "), HasSubstr(" 200 "));
  Client held(address_);
  held.Send(kHold);
  ASSERT_TRUE(AwaitHeld());
  std::thread shutdown([this] { server_->Shutdown(absl::InfiniteDuration()); });
  EXPECT_EQ(idle.ReadToEnd(), "");
  loop_.Do([&] { handler_.held[0]->Respond({.status = 200, .fields = {}, .body = "late"}); });
  EXPECT_THAT(held.ReadToEnd(), EndsWith("late"));
  shutdown.join();

  server_.reset();
  handler_.held.clear();
  Open();
  Client other(address_);
  other.Send(kHold);
  ASSERT_TRUE(AwaitHeld());
  server_->Shutdown(absl::ZeroDuration());
  EXPECT_EQ(loop_.Do([this] { return handler_.cancelled; }), 1);
}

TEST_F(HttpServerTest, DrainingClosesWhatIsIdleAndKeepsNothing) {
  Open();
  Client idle(address_);
  idle.Send(kGet);
  EXPECT_THAT(idle.ReadUntil("GET /a "), HasSubstr(" 200 "));
  Client held(address_);
  held.Send(kHold);
  ASSERT_TRUE(AwaitHeld());

  server_->Drain();

  EXPECT_EQ(idle.ReadToEnd(), "");
  Client later(address_);
  later.Send(kGet);
  EXPECT_THAT(later.ReadToEnd(), AllOf(HasSubstr(" 200 "), HasSubstr("Connection: close")));
  loop_.Do([&] { handler_.held[0]->Respond({.status = 200, .fields = {}, .body = "late"}); });
  EXPECT_THAT(held.ReadToEnd(), EndsWith("late"));
}

TEST_F(HttpServerTest, CompressedBodiesAreDecompressed) {
  Limits limits;
  limits.max_inflated_bytes = 1000;
  Open(limits);
  const auto post = [this](std::string_view coding, std::string_view body) {
    Client client(address_);
    client.Send(StrCat("POST /z HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Encoding: ",
                       coding, "\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
    return client.ReadToEnd();
  };
  const std::string coded = Deflated("what was said");
  EXPECT_THAT(post("deflate", coded), EndsWith("POST /z what was said"));
  EXPECT_THAT(post("GZip", coded), EndsWith("POST /z what was said"));
  EXPECT_THAT(post("identity", "as it is"), EndsWith("POST /z as it is"));
  EXPECT_THAT(post("br", coded), StartsWith("HTTP/1.1 415 "));
  EXPECT_THAT(post("gzip, gzip", coded), StartsWith("HTTP/1.1 415 "));
  EXPECT_THAT(post("deflate", "nonsense"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(post("deflate", Deflated(std::string(1001, 'x'))), StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, AllBodiesTogetherHaveABudget) {
  Limits limits;
  limits.max_bodies_bytes = 100;
  Open(limits);
  const auto post = [this](std::string_view fields, std::string_view body) {
    Client client(address_);
    client.Send(
        StrCat("POST /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", fields, "\r\n\r\n", body));
    return client.ReadToEnd();
  };
  {
    Client large(address_);
    large.Send("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 80\r\n\r\n");
    // Its size is known, and there is room.
    EXPECT_THAT(large.ReadUntil("\r\n\r\n"), HasSubstr(" 100 "));

    const std::string refused = post("Content-Length: 21", std::string(21, 'x'));
    EXPECT_THAT(refused, AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("retry-after: 1")));
    EXPECT_THAT(post("Transfer-Encoding: chunked", "15\r\n123456789012345678901\r\n0\r\n\r\n"),
                StartsWith("HTTP/1.1 503 "));
    const std::string coded = Deflated(std::string(50, 'x'));
    EXPECT_THAT(post(StrCat("Content-Encoding: deflate\r\nContent-Length: ", coded.size()), coded),
                StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(post("Content-Length: 20", std::string(20, 'x')), HasSubstr(" 200 "));

    large.Send(std::string(80, 'y'));
    EXPECT_THAT(large.ReadUntil("yyy"), HasSubstr(" 200 "));
  }
  // Each has given back what it had.
  EXPECT_THAT(post("Content-Length: 100", std::string(100, 'x')), HasSubstr(" 200 "));
}

TEST_F(HttpServerTest, AddressesThatAreNoneOrTakenAreSaid) {
  Open();
  for (const char* wrong : {"", "8000", ":8000", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000"}) {
    Server other;
    EXPECT_EQ(other.Open(wrong, {{loop_.loop(), handler_}}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << wrong;
  }
  Server other;
  EXPECT_EQ(other.Open(address_, {{loop_.loop(), handler_}}).status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace tiffin::gateway::http
