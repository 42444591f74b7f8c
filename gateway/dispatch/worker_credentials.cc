#include "gateway/dispatch/worker_credentials.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kTokenFlag = "--worker-token";
constexpr security::TlsFlags kTlsFlags = {
    .certificate = "--worker-certificate", .key = "--worker-key", .ca = "--worker-ca"};

std::vector<std::filesystem::path> AllOf(const WorkerCredentials::Files& files) {
  std::vector<std::filesystem::path> all = {files.tls.certificate, files.tls.key, files.tls.ca,
                                            files.token};
  std::erase_if(all, [](const auto& file) { return file.empty(); });
  return all;
}

}  // namespace

WorkerCredentials::WorkerCredentials(Files files)
    : files_(std::move(files)), watched_(AllOf(files_)) {}

absl::StatusOr<std::unique_ptr<WorkerCredentials>> WorkerCredentials::Create(Files files) {
  std::unique_ptr<WorkerCredentials> made(new WorkerCredentials(std::move(files)));
  ASSIGN_OR_RETURN(security::ClientSecurity loaded, made->Load());
  const absl::MutexLock lock(&made->mutex_);
  made->current_ = std::make_shared<const security::ClientSecurity>(std::move(loaded));
  return made;
}

absl::StatusOr<security::ClientSecurity> WorkerCredentials::Load() const {
  security::ClientSecurity loaded;
  if (!files_.tls.ca.empty()) {
    loaded.tls = true;
    ASSIGN_OR_RETURN(loaded.certificates,
                     security::LoadCertificates(files_.tls, kTlsFlags, absl::Now()));
  }
  if (files_.token.empty()) return loaded;
  ASSIGN_OR_RETURN(const std::string text, security::ReadNamedFile(kTokenFlag, files_.token));
  loaded.token = Trim(text);
  // A header's value; and a file that holds anything else is not a token's.
  const bool fits = !loaded.token.empty() && loaded.token.size() <= 4096 &&
                    std::all_of(loaded.token.begin(), loaded.token.end(),
                                [](char character) { return character > ' ' && character < 127; });
  if (fits) return loaded;
  return absl::InvalidArgumentError(
      StrCat(kTokenFlag, " '", files_.token.native(),
             "': ", loaded.token.empty() ? "it is empty; it " : "it ",
             "must hold a token alone, as 'tiffin token' prints it, in one line"));
}

std::shared_ptr<const security::ClientSecurity> WorkerCredentials::current() const {
  const absl::MutexLock lock(&mutex_);
  return current_;
}

void WorkerCredentials::Look() {
  if (!watched_.Changed()) return;
  absl::StatusOr<security::ClientSecurity> loaded = Load();
  if (!loaded.ok()) {
    log::Write(log::Level::kError, "worker_credentials_not_reloaded",
               StrCat("what workers are shown is not replaced, the last good one is: ",
                      Message(loaded.status())),
               {{"error", Message(loaded.status())}});
    return;
  }
  {
    const absl::MutexLock lock(&mutex_);
    current_ = std::make_shared<const security::ClientSecurity>(*std::move(loaded));
  }
  log::Write(log::Level::kInfo, "worker_credentials_reloaded", "reloaded what workers are shown");
}

}  // namespace tiffin::gateway
