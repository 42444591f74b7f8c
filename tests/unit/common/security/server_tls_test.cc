#include "common/security/server_tls.h"

#include <filesystem>

#include "common/security/ssl_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/log/log_capture.h"
#include "tests/unit/common/security/made_certificates.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::security {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class ServerTlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Replace(first_);
    auto made = ServerTls::Create(files_, [] { return kNow; });
    ASSERT_TRUE(made.ok()) << made.status();
    tls_ = *std::move(made);
  }
  // As whoever renews certificates: each file at once, but one after the other.
  void Replace(const Made& made) const {
    Replace(files_.certificate, made.certificate);
    Replace(files_.key, made.key);
  }
  static void Replace(const std::string& file, const std::string& text) {
    WriteFile(file + ".new", text);
    std::filesystem::rename(file + ".new", file);
  }
  // A change is taken when it has stayed from one look to the next.
  void LookTwice() const {
    tls_->Look();
    tls_->Look();
  }

  TemporaryFolder folder_;
  const TlsFiles files_{
      .certificate = folder_.path() + "/tls.crt", .key = folder_.path() + "/tls.key", .ca = ""};
  const Made first_ = MakeCertificate("first", kNow + absl::Hours(24));
  const Made second_ = MakeCertificate("second", kNow + absl::Hours(24));
  log::LogCapture log_;
  std::unique_ptr<ServerTls> tls_;
};

TEST_F(ServerTlsTest, WhatIsReplacedIsReadAgain) {
  const ServerTls::Current before = tls_->current();
  Replace(second_);
  LookTwice();
  const ServerTls::Current after = tls_->current();
  EXPECT_EQ(before.certificates->subject, "CN = first");
  EXPECT_EQ(after.certificates->subject, "CN = second");
  EXPECT_NE(after.version, before.version);
  EXPECT_THAT(log_.text(), HasSubstr("reloaded the certificate"));
}

TEST_F(ServerTlsTest, WhatStaysIsNotReadAgain) {
  LookTwice();
  EXPECT_EQ(tls_->current().version, 0U);
  EXPECT_THAT(log_.text(), Not(HasSubstr("reloaded")));
}

TEST_F(ServerTlsTest, BetweenTwoRenamesNothingIsRead) {
  Replace(files_.certificate, second_.certificate);
  tls_->Look();
  Replace(files_.key, second_.key);
  tls_->Look();
  EXPECT_EQ(tls_->current().certificates->subject, "CN = first");
  tls_->Look();
  EXPECT_EQ(tls_->current().certificates->subject, "CN = second");
  EXPECT_THAT(log_.text(), Not(HasSubstr("is not used")));
}

TEST_F(ServerTlsTest, ABrokenReplacementIsToldOfOnceAndNotUsed) {
  Replace(files_.certificate, second_.certificate);
  LookTwice();
  const std::string told = log_.text();
  EXPECT_EQ(tls_->current().certificates->subject, "CN = first");
  EXPECT_THAT(told, HasSubstr("warning the new certificate or key is not used"));
  LookTwice();
  EXPECT_EQ(log_.text(), told);
  Replace(files_.key, second_.key);
  LookTwice();
  EXPECT_EQ(tls_->current().certificates->subject, "CN = second");
}

TEST_F(ServerTlsTest, AnExpiredOrRemovedReplacementIsNotUsed) {
  Replace(MakeCertificate("late", kNow));
  LookTwice();
  std::filesystem::remove(files_.key);
  LookTwice();
  EXPECT_EQ(tls_->current().certificates->subject, "CN = first");
  EXPECT_THAT(log_.text(), HasSubstr("expired"));
}

TEST_F(ServerTlsTest, AContextIsMadeOnceForAllConnectionsOfACertificate) {
  ServerContexts contexts(*tls_);
  const auto first = contexts.Next();
  EXPECT_EQ(contexts.Next(), first);
  Replace(second_);
  LookTwice();
  const auto second = contexts.Next();
  EXPECT_NE(second, nullptr);
  EXPECT_NE(second, first);
}

TEST_F(ServerTlsTest, TheLogHasNothingOfTheKey) {
  Replace(second_);
  LookTwice();
  const std::string line = second_.key.substr(second_.key.find('\n') + 1, 40);
  EXPECT_THAT(log_.text(), Not(HasSubstr(line)));
}

}  // namespace
}  // namespace tiffin::security
