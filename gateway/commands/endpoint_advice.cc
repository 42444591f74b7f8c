#include "gateway/commands/endpoint_advice.h"

#include <string>

#include "absl/strings/str_replace.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

// By what gRPC and OpenSSL say, of which some versions write WRONG_VERSION_NUMBER, and others
// "wrong version number".
std::string_view AdviceOnConnection(std::string_view text, Shown shown) {
  const std::string said = absl::StrReplaceAll(ToLower(text), {{"_", " "}});
  const auto says = [&said](std::string_view words) { return said.find(words) != said.npos; };
  if (says("dns resolution failed") || says("domain name not found")) {
    return " (the name is unknown here, or no name server answers: correct it, or ask from where "
           "the gateway will run)";
  }
  if (says("connection refused") || says("no such file or directory")) {
    return " (no worker listens there: start it, or correct the endpoint)";
  }
  if (says("wrong version number")) {
    return " (it speaks no TLS: remove --worker-ca, or give the worker --tls-certificate and "
           "--tls-key)";
  }
  if (says("certificate verify failed")) {
    return " (its certificate is not signed by one of --worker-ca: give the file of the authority "
           "that signed it)";
  }
  if (says("not in peer certificate")) {
    return " (its certificate is for another name: write the endpoint with that name, or give the "
           "worker a certificate for this one)";
  }
  if (shown == Shown::kPlain) return " (does it run? if it speaks TLS, give --worker-ca)";
  return " (does it run? if it wants a certificate of the gateway's, give --worker-certificate "
         "and --worker-key, signed by one of its --tls-client-ca)";
}

}  // namespace

std::string_view AdviceOn(const absl::Status& status, Shown shown) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return " (give --worker-token a file with a token of the worker's --tokens)";
    case absl::StatusCode::kUnimplemented:
      return " (what listens there is no worker)";
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return AdviceOnConnection(Message(status), shown);
    default:
      return "";
  }
}

}  // namespace tiffin::gateway
