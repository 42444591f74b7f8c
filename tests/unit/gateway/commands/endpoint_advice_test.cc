#include "gateway/commands/endpoint_advice.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

using ::testing::HasSubstr;

std::string AdviceOnUnavailable(const std::string& text, Shown shown = Shown::kTls) {
  return std::string(AdviceOn(absl::UnavailableError(text), shown));
}

TEST(EndpointAdviceTest, WhatGrpcSaysOfTlsIsExplained) {
  EXPECT_THAT(AdviceOnUnavailable("last error: UNKNOWN: Ssl handshake failed: SSL_ERROR_SSL: "
                                  "error:1408F10B:SSL routines::WRONG_VERSION_NUMBER"),
              HasSubstr("it speaks no TLS: remove --worker-ca"));
  EXPECT_THAT(AdviceOnUnavailable("SSL_ERROR_SSL: error:0A000086:SSL routines::certificate verify "
                                  "failed"),
              HasSubstr("not signed by one of --worker-ca"));
  EXPECT_THAT(AdviceOnUnavailable("Peer name localhost is not in peer certificate"),
              HasSubstr("its certificate is for another name"));
  EXPECT_THAT(AdviceOnUnavailable("Socket closed", Shown::kPlain),
              HasSubstr("if it speaks TLS, give --worker-ca"));
  EXPECT_THAT(AdviceOnUnavailable("Socket closed"), HasSubstr("give --worker-certificate"));
}

TEST(EndpointAdviceTest, ANameThatIsUnknownAndAnAddressWithoutAWorkerAreExplained) {
  EXPECT_THAT(AdviceOnUnavailable("DNS resolution failed for nobody:9: C-ares status is not "
                                  "ARES_SUCCESS qtype=A name=nobody is_balancer=0"),
              HasSubstr("the name is unknown here"));
  EXPECT_THAT(AdviceOnUnavailable("connection: Connection refused"),
              HasSubstr("no worker listens there"));
}

TEST(EndpointAdviceTest, RefusalsAreExplainedByTheirCode) {
  EXPECT_THAT(
      std::string(AdviceOn(absl::UnauthenticatedError("this needs a token"), Shown::kPlain)),
      HasSubstr("give --worker-token"));
  EXPECT_EQ(AdviceOn(absl::InternalError("not a worker of this version"), Shown::kPlain), "");
}

}  // namespace
}  // namespace tiffin::gateway
