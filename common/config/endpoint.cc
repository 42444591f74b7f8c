#include "common/config/endpoint.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "common/config/name_hint.h"
#include "common/config/service_keys.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::config {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kIpv4 = "ipv4:";
constexpr std::string_view kIpv6 = "ipv6:";
constexpr std::string_view kDns = "dns:";
// A Unix socket's path has 107 bytes, and the descriptor socket's has three more.
constexpr size_t kMaxPath = 104;
constexpr size_t kMaxName = 253;

absl::Status Wrong(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      StrCat("the endpoint ", Quoted(text), ": ", why, "; write ", kEndpointText.wanted));
}

template <typename Address>
bool IsAddress(int family, const std::string& text) {
  Address address;
  return inet_pton(family, text.c_str(), &address) == 1;
}
bool IsIpv4(const std::string& text) { return IsAddress<in_addr>(AF_INET, text); }
bool IsIpv6(const std::string& text) { return IsAddress<in6_addr>(AF_INET6, text); }

bool IsHostName(std::string_view text) {
  const auto fits = [](char character) {
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9') || character == '-' || character == '_' ||
           character == '.';
  };
  // What ends in a number would be an address, and is none.
  const size_t last = text.find_last_of('.');
  const std::string_view end = last == text.npos ? text : text.substr(last + 1);
  const bool is_number = end.find_first_not_of("0123456789") == end.npos && !end.empty();
  return !text.empty() && text.size() <= kMaxName && text.front() != '.' && text.front() != '-' &&
         text.find("..") == text.npos && !is_number && std::all_of(text.begin(), text.end(), fits);
}

// "HOST:PORT" or "[HOST]:PORT".
absl::StatusOr<Endpoint> ParseHostAndPort(std::string_view text, std::string_view rest) {
  const size_t colon = rest.rfind(':');
  if (colon == rest.npos || colon + 1 == rest.size()) return Wrong(text, "it has no port");
  Endpoint endpoint;
  const std::string_view port = rest.substr(colon + 1);
  if (port.find_first_not_of("0123456789") != port.npos || port.size() > 5 ||
      !absl::SimpleAtoi(std::string(port), &endpoint.port) || endpoint.port < 1 ||
      endpoint.port > 65535) {
    return Wrong(text, StrCat("the port must be a number from 1 to 65535, not ", Quoted(port)));
  }
  std::string_view host = rest.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  endpoint.host = host;
  if (bracketed ? IsIpv6(endpoint.host) : IsIpv4(endpoint.host)) return endpoint;
  if (!bracketed && IsIpv6(endpoint.host)) return Wrong(text, "IPv6 addresses stand in [ ]");
  if (!bracketed && IsHostName(host)) {
    endpoint.kind = Endpoint::Kind::kName;
    return endpoint;
  }
  return Wrong(text, StrCat(Quoted(host), " is neither an address nor a name"));
}

absl::StatusOr<Endpoint> ParsePath(std::string_view text) {
  std::string_view path = text.substr(kUnix.size());
  if (path.starts_with("//")) path.remove_prefix(2);  // As gRPC has it, too.
  if (!path.starts_with('/')) return Wrong(text, "the path must begin with '/'");
  if (path.size() > kMaxPath) {
    return Wrong(text, StrCat("the path has ", path.size(), " bytes, and may have ", kMaxPath));
  }
  return Endpoint{
      .kind = Endpoint::Kind::kUnix, .host = std::string(path), .port = 0, .server = ""};
}

absl::StatusOr<Endpoint> ParseDns(std::string_view text) {
  std::string_view rest = text.substr(kDns.size());
  std::string server;
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const size_t slash = rest.find('/');
    if (slash == rest.npos) return Wrong(text, "there are three slashes before the name");
    server = rest.substr(0, slash);
    rest.remove_prefix(slash + 1);
  }
  ASSIGN_OR_RETURN(Endpoint endpoint, ParseHostAndPort(text, rest));
  if (server.empty()) return endpoint;
  // An address, with a port or without.
  const auto with_port = ParseHostAndPort(text, server);
  const bool has_port = with_port.ok() && with_port->kind == Endpoint::Kind::kAddress;
  if (!has_port && !IsIpv4(server)) {
    return Wrong(text, StrCat("the name server must be an address, not ", Quoted(server)));
  }
  if (endpoint.kind == Endpoint::Kind::kName) endpoint.server = std::move(server);
  return endpoint;
}

}  // namespace

absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text) {
  if (text.starts_with(kUnix)) return ParsePath(text);
  if (text.starts_with(kDns)) return ParseDns(text);
  for (const std::string_view scheme : {kIpv4, kIpv6}) {
    if (!text.starts_with(scheme)) continue;
    ASSIGN_OR_RETURN(Endpoint endpoint, ParseHostAndPort(text, text.substr(scheme.size())));
    const bool fits =
        endpoint.kind == Endpoint::Kind::kAddress && IsIpv4(endpoint.host) == (scheme == kIpv4);
    if (!fits) return Wrong(text, StrCat(Quoted(endpoint.host), " is no such address"));
    return endpoint;
  }
  if (text.starts_with('/')) {
    return absl::InvalidArgumentError(
        StrCat("the endpoint ", Quoted(text), ": did you mean ", Quoted(StrCat(kUnix, text)), "?"));
  }
  return ParseHostAndPort(text, text);
}

std::string ToString(const Endpoint& endpoint) {
  switch (endpoint.kind) {
    case Endpoint::Kind::kUnix:
      return StrCat(kUnix, endpoint.host);
    case Endpoint::Kind::kName:
      return StrCat(kDns, "//", endpoint.server, "/", endpoint.host, ":", endpoint.port);
    case Endpoint::Kind::kAddress:
      break;
  }
  return IsIpv4(endpoint.host) ? StrCat(kIpv4, endpoint.host, ":", endpoint.port)
                               : StrCat(kIpv6, "[", endpoint.host, "]:", endpoint.port);
}

}  // namespace tiffin::config
