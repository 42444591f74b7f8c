#include "common/security/tokens.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "common/log/log.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::security {
namespace {

constexpr std::string_view kFlag = "--tokens";
constexpr std::string_view kScheme = "bearer ";

absl::Status Unauthenticated(std::string_view why) {
  return absl::UnauthenticatedError(
      StrCat(why, "; send 'authorization: Bearer TOKEN' with one that this server was given"));
}

}  // namespace

Tokens::Tokens(std::filesystem::path file) : file_(std::move(file)), watched_({file_}) {}

absl::StatusOr<std::unique_ptr<Tokens>> Tokens::Create(std::filesystem::path file) {
  std::unique_ptr<Tokens> tokens(new Tokens(std::move(file)));
  ASSIGN_OR_RETURN(List list, tokens->Load());
  const absl::MutexLock lock(&tokens->mutex_);
  tokens->list_ = std::make_shared<const List>(std::move(list));
  return tokens;
}

absl::StatusOr<Tokens::List> Tokens::Load() const {
  ASSIGN_OR_RETURN(const std::string yaml, ReadNamedFile(kFlag, file_));
  ASSIGN_OR_RETURN(std::vector<TokenEntry> entries, ParseTokens(yaml, file_.native()));
  List list;
  for (TokenEntry& entry : entries) {
    auto caller = std::make_shared<Caller>();
    caller->name = std::move(entry.name);
    caller->may = std::move(entry.services);
    caller->may_all =
        std::find(caller->may.begin(), caller->may.end(), kAllServices) != caller->may.end();
    list.push_back({.digest = entry.digest, .caller = std::move(caller)});
  }
  return list;
}

std::shared_ptr<const Tokens::List> Tokens::list() const {
  const absl::MutexLock lock(&mutex_);
  return list_;
}

absl::StatusOr<std::shared_ptr<const Caller>> Tokens::Authenticate(
    std::span<const std::string_view> authorization) const {
  if (authorization.empty()) return Unauthenticated("this needs a token");
  if (authorization.size() > 1) return Unauthenticated("there are two authorizations");
  const std::string_view value = authorization.front();
  if (!absl::StartsWithIgnoreCase(ToAbsl(value), ToAbsl(kScheme))) {
    return Unauthenticated("the authorization is no bearer token");
  }
  const Digest digest = DigestOf(Trim(value.substr(kScheme.size())));
  const std::shared_ptr<const List> known = list();
  // All of them are compared, whichever it is.
  const Known* found = nullptr;
  for (const Known& one : *known) {
    if (CRYPTO_memcmp(one.digest.data(), digest.data(), digest.size()) == 0) found = &one;
  }
  if (found == nullptr) return Unauthenticated("the token is not known");
  return found->caller;
}

void Tokens::Look() {
  if (!watched_.Changed()) return;
  absl::StatusOr<List> loaded = Load();
  if (!loaded.ok()) {
    log::Write(
        log::Level::kError, "tokens_not_reloaded",
        StrCat("the new tokens are not used, the last good ones are: ", Message(loaded.status())),
        {{"error", Message(loaded.status())}});
    return;
  }
  const size_t count = loaded->size();
  {
    const absl::MutexLock lock(&mutex_);
    list_ = std::make_shared<const List>(*std::move(loaded));
  }
  // Who reads it finds the new ones used.
  log::Write(log::Level::kInfo, "tokens_reloaded",
             StrCat("reloaded ", file_.native(), ": ", count, " tokens"),
             {{"file", file_.native()}, {"tokens", count}});
}

void Tokens::WarnOfOthers(std::span<const std::string> services) {
  const std::shared_ptr<const List> known = list();
  for (const Known& one : *known) {
    for (const std::string& service : one.caller->may) {
      if (service == kAllServices || service == kMetrics ||
          std::find(services.begin(), services.end(), service) != services.end()) {
        continue;
      }
      log::Write(log::Level::kWarning, "token_for_no_service",
                 StrCat(file_.native(), ": the token '", one.caller->name, "' is for a service '",
                        service, "', which is not served here; is the name right?"));
    }
  }
}

}  // namespace tiffin::security
