#include "common/security/certificates.h"

#include <sys/stat.h>

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/security/made_certificates.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::security {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class CertificatesTest : public ::testing::Test {
 protected:
  absl::StatusOr<Certificates> Load(absl::Time now = kNow) const {
    return LoadCertificates(files_, {}, now);
  }
  std::string ErrorOf(absl::Time now = kNow) const {
    const absl::Status status = Load(now).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(Message(status));
  }
  void Write(const Made& made) const {
    WriteFile(files_.certificate, made.certificate);
    WriteFile(files_.key, made.key);
  }

  TemporaryFolder folder_;
  TlsFiles files_{
      .certificate = folder_.path() + "/tls.crt", .key = folder_.path() + "/tls.key", .ca = ""};
  const Made made_ = MakeCertificate("tiffin.example", kNow + absl::Hours(24));
};

TEST_F(CertificatesTest, LoadsAPairAndAnAuthority) {
  Write(made_);
  files_.ca = folder_.path() + "/ca.crt";
  WriteFile(files_.ca, made_.certificate);
  const auto loaded = Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->chain, made_.certificate);
  EXPECT_EQ(loaded->key, made_.key);
  EXPECT_EQ(loaded->ca, made_.certificate);
  EXPECT_EQ(loaded->subject, "CN = tiffin.example");
  EXPECT_EQ(loaded->not_after, kNow + absl::Hours(24));
}

TEST_F(CertificatesTest, MissingFilesAreNamedWithTheirFlag) {
  EXPECT_THAT(ErrorOf(), AllOf(HasSubstr("--tls-certificate"), HasSubstr(files_.certificate),
                               HasSubstr("No such file")));
  Write(made_);
  files_.key = folder_.path();
  EXPECT_THAT(ErrorOf(), AllOf(HasSubstr("--tls-key"), HasSubstr("is not a file")));
}

TEST_F(CertificatesTest, AKeyOfAnotherCertificateIsRefused) {
  Write(made_);
  WriteFile(files_.key, MakeCertificate("other", kNow + absl::Hours(1)).key);
  EXPECT_THAT(ErrorOf(), AllOf(HasSubstr(files_.key), HasSubstr("not that of the certificate"),
                               HasSubstr(files_.certificate)));
}

TEST_F(CertificatesTest, FilesInOneAnothersPlaceAreRefused) {
  Write({.certificate = made_.key, .key = made_.certificate});
  EXPECT_THAT(ErrorOf(), HasSubstr("no certificate in PEM form"));
  Write({.certificate = made_.certificate, .key = made_.certificate});
  EXPECT_THAT(ErrorOf(), HasSubstr("no private key in PEM form"));
}

TEST_F(CertificatesTest, AnEncryptedKeySaysHowToDecryptIt) {
  Write({.certificate = made_.certificate, .key = Encrypted(made_.key)});
  EXPECT_THAT(ErrorOf(), AllOf(HasSubstr("encrypted"), HasSubstr("openssl pkey")));
}

TEST_F(CertificatesTest, OneThatIsNotValidNowIsRefusedWithItsDate) {
  Write(made_);
  EXPECT_THAT(ErrorOf(kNow + absl::Hours(24)), AllOf(HasSubstr("expired on 2027-01-16 08:00 UTC"),
                                                     HasSubstr("CN = tiffin.example")));
  EXPECT_THAT(ErrorOf(kNow - absl::Hours(25)), HasSubstr("not valid before"));
  EXPECT_TRUE(Load(kNow + absl::Hours(23)).ok());
}

TEST_F(CertificatesTest, AnAuthorityWithoutACertificateIsRefused) {
  Write(made_);
  files_.ca = folder_.path() + "/ca.crt";
  WriteFile(files_.ca, "hello\n");
  EXPECT_THAT(ErrorOf(), AllOf(HasSubstr("--tls-client-ca"), HasSubstr(files_.ca)));
}

TEST_F(CertificatesTest, AKeyThatEverybodyMayReadIsToldOf) {
  Write(made_);
  ::chmod(files_.key.c_str(), 0640);
  EXPECT_TRUE(CheckKeyMode(files_.key).ok());
  ::chmod(files_.key.c_str(), 0644);
  EXPECT_THAT(std::string(Message(CheckKeyMode(files_.key))), HasSubstr("chmod"));
}

TEST_F(CertificatesTest, NoErrorTellsWhatIsInTheKey) {
  Write({.certificate = made_.certificate, .key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n"});
  EXPECT_THAT(ErrorOf(), Not(HasSubstr("c2VjcmV0")));
}

}  // namespace
}  // namespace tiffin::security
