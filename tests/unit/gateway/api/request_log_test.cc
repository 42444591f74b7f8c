#include "gateway/api/request_log.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/common/log/log_capture.h"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway {
namespace {

using log::LogCapture;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class RequestLogTest : public ::testing::Test {
 protected:
  RequestLogTest() {
    serving_.AddApi("demo", "echo", {}, {});
    serving_.AddRunner("demo", "model", {}, {});
    request_.target = &serving_.services()[0].apis[0];
  }
  // As the protocols do.
  void End(AccessLog access, const absl::Status& status) const {
    const RequestLog requests(access);
    if (requests.Wants(status)) requests.Ended(request_, status);
  }

  testing::FakeServing serving_;
  LoggedRequest request_{.method = "/x.Y/Z",
                         .target = std::nullopt,
                         .rows = 2,
                         .request_id = "r1",
                         .trace = {.trace_high = 1, .trace_low = 2, .span = 3, .parent = 4},
                         .duration = absl::Microseconds(1234)};
};

nlohmann::json FieldsOf(const std::string& line) {
  return nlohmann::json::parse(line.substr(line.find('{')));
}

TEST_F(RequestLogTest, EachRequestHasALineWhereThatIsAskedFor) {
  const LogCapture log;
  End(AccessLog::kOn, absl::OkStatus());
  EXPECT_THAT(log.text(), StartsWith("info request {"));
  EXPECT_EQ(FieldsOf(log.text()), nlohmann::json::parse(R"({
      "request_id": "r1", "trace_id": "00000000000000010000000000000002",
      "span_id": "0000000000000003", "parent_span_id": "0000000000000004", "service": "demo",
      "api": "echo", "method": "/x.Y/Z", "rows": 2, "code": "OK", "duration_us": 1234})"));
}

TEST_F(RequestLogTest, ARunnerCalledByItselfIsNamed) {
  request_.target = &serving_.runners()[0];
  const LogCapture log;
  End(AccessLog::kOn, absl::UnavailableError("gone\n"));
  const auto fields = FieldsOf(log.text());
  EXPECT_EQ(fields["runner"], "model");
  EXPECT_EQ(fields["code"], "UNAVAILABLE");
  EXPECT_EQ(fields["error"], "gone\n");
  EXPECT_FALSE(fields.contains("api"));
}

TEST_F(RequestLogTest, OtherwiseOnlyTheServersOwnFailuresHaveOne) {
  const LogCapture log;
  for (const absl::Status& status :
       {absl::OkStatus(), absl::InvalidArgumentError("x"), absl::ResourceExhaustedError("x"),
        absl::UnavailableError("x"), absl::CancelledError("x"), absl::DeadlineExceededError("x")}) {
    End(AccessLog::kOff, status);
  }
  EXPECT_THAT(log.text(), IsEmpty());
  End(AccessLog::kOff, absl::InternalError("a bug"));
  EXPECT_THAT(log.text(), StartsWith("error request {"));
}

TEST_F(RequestLogTest, DebugHasThemAll) {
  const LogCapture log(log::Level::kDebug);
  End(AccessLog::kOff, absl::OkStatus());
  EXPECT_THAT(log.text(), StartsWith("debug request {"));
}

TEST_F(RequestLogTest, WhatIsWrongWithARequestIsNotQuoted) {
  const LogCapture log;
  End(AccessLog::kOn, absl::InvalidArgumentError("the text 'my secret' is no number"));
  EXPECT_FALSE(FieldsOf(log.text()).contains("error"));
}

TEST_F(RequestLogTest, AnyMethodFits) {
  const std::string method = "/" + std::string(10'000, '\xFF');
  request_.method = method;
  request_.target = std::nullopt;
  const LogCapture log;
  End(AccessLog::kOn, absl::UnimplementedError("x"));
  EXPECT_LE(FieldsOf(log.text())["method"].get<std::string>().size(), 200U);
}

}  // namespace
}  // namespace tiffin::gateway
