#include "common/security/certificates.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <ctime>
#include <memory>

#include "common/security/watched_files.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::security {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using X509Pointer = std::unique_ptr<X509, decltype(&X509_free)>;
using KeyPointer = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio Open(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free};
}

absl::Status Wrong(std::string_view flag, const std::filesystem::path& file,
                   std::string_view what) {
  return absl::InvalidArgumentError(StrCat(flag, " '", file.native(), "': ", what));
}

// Null at the end of the text.
X509Pointer NextCertificate(BIO& bio) {
  X509Pointer certificate(PEM_read_bio_X509(&bio, nullptr, nullptr, nullptr), X509_free);
  ERR_clear_error();
  return certificate;
}

absl::Time ToTime(const ASN1_TIME& time) {
  std::tm parts = {};
  return ASN1_TIME_to_tm(&time, &parts) == 1 ? absl::FromTM(parts, absl::UTCTimeZone())
                                             : absl::InfinitePast();
}

std::string DateText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone());
}

std::string SubjectOf(const X509& certificate) {
  const Bio text(BIO_new(BIO_s_mem()), BIO_free);
  X509_NAME_print_ex(text.get(), X509_get_subject_name(&certificate), /*indent=*/0,
                     XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const auto size = static_cast<size_t>(BIO_get_mem_data(text.get(), &data));
  return {data, size};
}

// Nobody is there to type one.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return 0;
}

absl::StatusOr<KeyPointer> ParseKey(const std::string& pem, const TlsFiles& files,
                                    const TlsFlags& flags) {
  const Bio bio = Open(pem);
  bool encrypted = false;
  KeyPointer key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, &encrypted),
                 EVP_PKEY_free);
  ERR_clear_error();
  if (key != nullptr) return key;
  return Wrong(flags.key, files.key,
               encrypted ? "the key is encrypted, and nobody is there to give its passphrase; "
                           "decrypt it with 'openssl pkey -in FILE -out PLAIN'"
                         : "there is no private key in PEM form in it ('-----BEGIN PRIVATE "
                           "KEY-----'); name the key's file");
}

absl::Status CheckValidity(const X509& certificate, const TlsFiles& files, const TlsFlags& flags,
                           absl::Time now) {
  const absl::Time begin = ToTime(*X509_get0_notBefore(&certificate));
  const absl::Time end = ToTime(*X509_get0_notAfter(&certificate));
  if (now >= end) {
    return Wrong(flags.certificate, files.certificate,
                 StrCat("the certificate of ", SubjectOf(certificate), " expired on ",
                        DateText(end), "; renew it"));
  }
  if (now < begin) {
    return Wrong(flags.certificate, files.certificate,
                 StrCat("the certificate of ", SubjectOf(certificate), " is not valid before ",
                        DateText(begin), "; check this machine's clock, or wait"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Certificates> LoadPair(const TlsFiles& files, const TlsFlags& flags,
                                      absl::Time now) {
  Certificates certificates;
  ASSIGN_OR_RETURN(certificates.chain, ReadNamedFile(flags.certificate, files.certificate));
  ASSIGN_OR_RETURN(certificates.key, ReadNamedFile(flags.key, files.key));
  const Bio bio = Open(certificates.chain);
  const X509Pointer certificate = NextCertificate(*bio);
  if (certificate == nullptr) {
    return Wrong(flags.certificate, files.certificate,
                 "there is no certificate in PEM form in it ('-----BEGIN CERTIFICATE-----'); name "
                 "the certificate's file");
  }
  ASSIGN_OR_RETURN(const KeyPointer key, ParseKey(certificates.key, files, flags));
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    ERR_clear_error();
    return Wrong(flags.key, files.key,
                 StrCat("the key is not that of the certificate in '", files.certificate.native(),
                        "' (", SubjectOf(*certificate),
                        "), which must come first there; name the "
                        "key that the certificate was made with"));
  }
  RETURN_IF_ERROR(CheckValidity(*certificate, files, flags, now));
  certificates.subject = SubjectOf(*certificate);
  certificates.not_after = ToTime(*X509_get0_notAfter(certificate.get()));
  return certificates;
}

}  // namespace

absl::StatusOr<Certificates> LoadCertificates(const TlsFiles& files, const TlsFlags& flags,
                                              absl::Time now) {
  Certificates certificates;
  if (!files.certificate.empty()) {
    ASSIGN_OR_RETURN(certificates, LoadPair(files, flags, now));
  }
  if (files.ca.empty()) return certificates;
  ASSIGN_OR_RETURN(certificates.ca, ReadNamedFile(flags.ca, files.ca));
  const Bio bio = Open(certificates.ca);
  if (NextCertificate(*bio) == nullptr) {
    return Wrong(flags.ca, files.ca,
                 "there is no certificate in PEM form in it ('-----BEGIN CERTIFICATE-----'); name "
                 "the file of the authority's certificates");
  }
  return certificates;
}

absl::Status CheckKeyMode(const std::filesystem::path& key) {
  struct stat status = {};
  if (::stat(key.c_str(), &status) != 0 || (status.st_mode & (S_IROTH | S_IWOTH)) == 0) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      StrCat("the key '", key.native(), "' can be read or written by everybody on this machine; ",
             "'chmod o= ", key.native(), "' ends that"));
}

}  // namespace tiffin::security
