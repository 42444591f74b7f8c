#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

#include "absl/time/time.h"

// Certificates for tests, which sign themselves.
namespace tiffin::security {

struct Made {
  std::string certificate;  // PEM
  std::string key;          // PEM
};

inline std::string PemOf(auto write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
  if (write(bio.get()) != 1) std::abort();
  char* data = nullptr;
  const auto size = static_cast<size_t>(BIO_get_mem_data(bio.get(), &data));
  return {data, size};
}

// Of the name `cn`, valid from a day before `end - 2 days` until `end`.
inline Made MakeCertificate(const std::string& cn, absl::Time end) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509* const x509 = certificate.get();
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  ASN1_TIME_set(X509_getm_notBefore(x509), absl::ToTimeT(end - absl::Hours(48)));
  ASN1_TIME_set(X509_getm_notAfter(x509), absl::ToTimeT(end));
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(cn.c_str()), -1, -1, 0);
  X509_set_issuer_name(x509, X509_get_subject_name(x509));
  X509_set_pubkey(x509, key.get());
  if (X509_sign(x509, key.get(), EVP_sha256()) == 0) std::abort();
  return {.certificate = PemOf([&](BIO* bio) { return PEM_write_bio_X509(bio, x509); }),
          .key = PemOf([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

// The key, behind a passphrase.
inline std::string Encrypted(const std::string& key_pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())), BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  char passphrase[] = "secret";
  return PemOf([&](BIO* out) {
    return PEM_write_bio_PrivateKey(out, key.get(), EVP_aes_256_cbc(), nullptr, 0, nullptr,
                                    passphrase);
  });
}

inline void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace tiffin::security
