#include "gateway/commands/client_flags.h"

#include <algorithm>
#include <string_view>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "common/environment.h"
#include "common/security/loopback.h"
#include "common/security/watched_files.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/help.h"

namespace tiffin::gateway {
namespace {

constexpr security::TlsFlags kFlags = {
    .certificate = "--tls-certificate", .key = "--tls-key", .ca = "--tls-ca"};

// Empty: there is none.
absl::StatusOr<std::string> TokenOf(const ClientFlags& flags) {
  std::string text;
  std::string_view from = environment::kToken.name;
  if (!flags.token_file.empty()) {
    from = "--token-file";
    ASSIGN_OR_RETURN(text, security::ReadNamedFile(from, flags.token_file));
    if (Trim(text).empty()) {
      return absl::InvalidArgumentError(
          StrCat(from, " '", flags.token_file, "': it is empty; put the token there"));
    }
  } else {
    text = environment::Get(environment::kToken);
  }
  std::string token(Trim(text));
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; })) {
    return absl::InvalidArgumentError(
        StrCat(from, ": a token is one word of printable ASCII, as 'tiffin token' makes it"));
  }
  return token;
}

}  // namespace

void AddClientFlags(CLI::App& command, WithToken with_token, ClientFlags& flags) {
  command.add_flag("--tls", flags.tls,
                   "Speak TLS; the server's certificate is one that this system trusts");
  command.add_option("--tls-ca", flags.ca,
                     "Speak TLS; the server's certificate is signed by one of these (PEM)");
  CLI::Option* certificate =
      command.add_option("--tls-certificate", flags.certificate,
                         "The certificate (PEM) to show to a server that asks for one");
  CLI::Option* key = command.add_option("--tls-key", flags.key, "Its private key (PEM)");
  certificate->needs(key);
  key->needs(certificate);
  command.add_option("--tls-server-name", flags.server_name,
                     "The name in the server's certificate, where it is not the address's");
  Group(command, "Security",
        {"--tls", "--tls-ca", "--tls-certificate", "--tls-key", "--tls-server-name"});
  if (with_token == WithToken::kNo) return;
  command.add_option("--token-file", flags.token_file,
                     "The file of the token to send; without it, the variable TIFFIN_TOKEN");
  command.add_flag("--tokens-in-plaintext", flags.tokens_in_plaintext,
                   "Send it without TLS beyond this machine too: whoever sees it can use it");
  Group(command, "Security", {"--token-file", "--tokens-in-plaintext"});
}

bool NamesTls(const ClientFlags& flags) {
  return flags.tls || !flags.ca.empty() || !flags.certificate.empty() || !flags.server_name.empty();
}

absl::StatusOr<security::ClientSecurity> SecurityOf(const ClientFlags& flags,
                                                    const std::string& address) {
  security::ClientSecurity made;
  made.tls = flags.tls || !flags.ca.empty();
  if (!made.tls && NamesTls(flags)) {
    return absl::InvalidArgumentError(
        "--tls-certificate and --tls-server-name are for TLS; give --tls-ca FILE, or --tls");
  }
  made.server_name = flags.server_name;
  ASSIGN_OR_RETURN(made.certificates,
                   security::LoadCertificates(
                       {.certificate = flags.certificate, .key = flags.key, .ca = flags.ca}, kFlags,
                       absl::Now()));
  ASSIGN_OR_RETURN(made.token, TokenOf(flags));
  if (!made.token.empty() && !made.tls && !flags.tokens_in_plaintext &&
      !security::IsLoopback(address)) {
    return absl::InvalidArgumentError(StrCat(
        "the token is not sent to ", address, ", which is not the loopback, without TLS: ",
        "whoever sees it could use it; give --tls or --tls-ca FILE, or ", "--tokens-in-plaintext"));
  }
  return made;
}

}  // namespace tiffin::gateway
