#include "worker/runtime/queued_call.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/common/log/log_capture.h"

namespace tiffin::worker {
namespace {

using log::LogCapture;
using ::testing::IsEmpty;
using ::testing::StartsWith;

v1::Execute Frame() {
  v1::Execute execute;
  execute.set_request_id("r1");
  execute.mutable_trace()->set_trace_high(1);
  execute.mutable_trace()->set_trace_low(2);
  execute.mutable_trace()->set_span(3);
  execute.mutable_trace()->set_flags(1);
  return execute;
}

TEST(QueuedCallTest, AFailureIsALineWithTheIdsOfItsRequest) {
  const LogCapture log;
  LogFailure(OriginOf(Frame()), "run", absl::InternalError("broken\n"));
  ASSERT_THAT(log.text(), StartsWith("warning call_failed {"));
  EXPECT_EQ(nlohmann::json::parse(log.text().substr(log.text().find('{'))),
            nlohmann::json::parse(R"({"request_id": "r1",
                "trace_id": "00000000000000010000000000000002", "span_id": "0000000000000003",
                "method": "run", "code": "INTERNAL", "error": "broken\n"})"));
}

TEST(QueuedCallTest, CancellingIsNoFailure) {
  const LogCapture log;
  LogFailure(OriginOf(Frame()), "run", absl::CancelledError("cancelled while queued"));
  EXPECT_THAT(log.text(), IsEmpty());
}

TEST(QueuedCallTest, ACallWithoutAnOriginIsLoggedTheSame) {
  const LogCapture log;
  LogFailure(OriginOf(v1::Execute()), "run", absl::UnavailableError("x"));
  EXPECT_THAT(log.text(), ::testing::HasSubstr("\"request_id\":\"\""));
}

}  // namespace
}  // namespace tiffin::worker
