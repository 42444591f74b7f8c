#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tiffin::security {

// Where a certificate and its key lie, in PEM form; none where empty.
struct TlsFiles {
  std::filesystem::path certificate;  // With those that signed it, but the last.
  std::filesystem::path key;
  std::filesystem::path ca;  // Who signs the certificates of the other side.
};

// The flags that name them, for messages.
struct TlsFlags {
  std::string_view certificate = "--tls-certificate";
  std::string_view key = "--tls-key";
  std::string_view ca = "--tls-client-ca";
};

// What is in them, checked. Secret: never logged.
struct Certificates {
  std::string chain;
  std::string key;
  std::string ca;       // Empty where there is none.
  std::string subject;  // "CN = tiffin.example"; empty without a certificate.
  absl::Time not_after = absl::InfiniteFuture();
};

// INVALID_ARGUMENT names the flag, the file and the fix: it can't be read or is not PEM, the key is
// encrypted or another certificate's, or the certificate is not valid at `now`.
absl::StatusOr<Certificates> LoadCertificates(const TlsFiles& files, const TlsFlags& flags,
                                              absl::Time now);

// OK, or why the key's file is not as secret as it should be. A warning: Kubernetes lets everybody
// in a pod read a mounted secret unless told not to.
absl::Status CheckKeyMode(const std::filesystem::path& key);

}  // namespace tiffin::security
