#include "common/security/server_tls.h"

#include <utility>
#include <vector>

#include "common/log/log.h"
#include "common/security/ssl_context.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::security {
namespace {

std::vector<std::filesystem::path> PathsOf(const TlsFiles& files) {
  std::vector<std::filesystem::path> paths = {files.certificate, files.key};
  if (!files.ca.empty()) paths.push_back(files.ca);
  return paths;
}

// Some that are well formed are refused by OpenSSL's policy: too short a key, say.
absl::StatusOr<Certificates> LoadUsable(const TlsFiles& files, absl::Time now) {
  ASSIGN_OR_RETURN(Certificates certificates, LoadCertificates(files, {}, now));
  RETURN_IF_ERROR(ServerContext(certificates).status());
  return certificates;
}

void Tell(std::string_view event, std::string_view what, const TlsFiles& files,
          const Certificates& certificates) {
  const std::string until =
      absl::FormatTime("%Y-%m-%d %H:%M UTC", certificates.not_after, absl::UTCTimeZone());
  log::Write(log::Level::kInfo, event,
             StrCat(what, " ", files.certificate.native(), " (", certificates.subject,
                    "), valid until ", until),
             {{"file", files.certificate.native()},
              {"subject", certificates.subject},
              {"valid_until", until}});
}

}  // namespace

ServerTls::ServerTls(TlsFiles files, Today today)
    : files_(std::move(files)), today_(std::move(today)), watched_(PathsOf(files_)) {}

absl::StatusOr<std::unique_ptr<ServerTls>> ServerTls::Create(TlsFiles files, Today today) {
  std::unique_ptr<ServerTls> tls(new ServerTls(std::move(files), std::move(today)));
  ASSIGN_OR_RETURN(Certificates loaded, LoadUsable(tls->files_, tls->today_()));
  Tell("tls", "TLS with the certificate", tls->files_, loaded);
  if (const absl::Status secret = CheckKeyMode(tls->files_.key); !secret.ok()) {
    log::Write(log::Level::kWarning, "tls_key_not_secret", Message(secret));
  }
  const absl::MutexLock lock(&tls->mutex_);
  tls->current_.certificates = std::make_shared<const Certificates>(std::move(loaded));
  return tls;
}

ServerTls::Current ServerTls::current() const {
  const absl::MutexLock lock(&mutex_);
  return current_;
}

void ServerTls::Look() {
  if (!watched_.Changed()) return;
  absl::StatusOr<Certificates> loaded = LoadUsable(files_, today_());
  if (!loaded.ok()) {
    log::Write(log::Level::kWarning, "tls_not_reloaded",
               StrCat("the new certificate or key is not used, the last good ones are: ",
                      Message(loaded.status())),
               {{"error", Message(loaded.status())}});
    return;
  }
  const auto certificates = std::make_shared<const Certificates>(*std::move(loaded));
  {
    const absl::MutexLock lock(&mutex_);
    current_.certificates = certificates;
    ++current_.version;
  }
  // Who reads it finds the new ones used.
  Tell("tls_reloaded", "reloaded the certificate", files_, *certificates);
}

}  // namespace tiffin::security
