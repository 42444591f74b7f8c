#include "gateway/api/http/head.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "common/strings.h"
#include "gateway/api/text.h"

namespace tiffin::gateway::http {
namespace {

constexpr unsigned kHttp11 = 11;

HeadError Malformed(std::string message) { return {.status = 400, .message = std::move(message)}; }

// All lines of a field are one list.
std::string ListOf(const Request& request, std::string_view name) {
  std::string list;
  for (const std::string_view value : request.field_values(name)) {
    list += StrCat(list.empty() ? "" : ", ", value);
  }
  return list;
}

bool IsPort(std::string_view text) {
  return std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// RFC 3986, 3.2.2: a name, or an address, that may have a port; without the comma, which tells of
// two hosts that someone has joined.
bool IsHost(std::string_view text) {
  const bool is_literal = text.starts_with('[');
  const size_t end = is_literal ? text.find(']') : std::min(text.find(':'), text.size());
  if (end == text.npos) return false;
  const std::string_view name = is_literal ? text.substr(1, end - 1) : text.substr(0, end);
  std::string_view port = text.substr(is_literal ? end + 1 : end);
  if (!port.empty() && !(port.starts_with(':') && IsPort(port.substr(1)))) return false;
  if (is_literal && name.empty()) return false;
  constexpr std::string_view kOfNames = "-._~%!$&'()*+;=";
  const std::string_view others = is_literal ? ":." : kOfNames;
  return std::all_of(name.begin(), name.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || others.find(c) != others.npos;
  });
}

std::optional<HeadError> CheckHost(const Request& request, unsigned version) {
  const std::vector<std::string_view> hosts = request.field_values("host");
  if (hosts.size() > 1) return Malformed(StrCat("there are ", hosts.size(), " Hosts; send one"));
  if (hosts.empty() && version >= kHttp11) {
    return Malformed("there is no Host, which HTTP/1.1 has in every request");
  }
  if (hosts.empty() || IsHost(hosts.front())) return std::nullopt;
  return Malformed(
      StrCat("the Host is '", BoundedUtf8(hosts.front(), kMaxQuoted), "'; send HOST or HOST:PORT"));
}

// Where Content-Length and Transfer-Encoding contradict each other, or the codings are not known,
// a proxy before us may see the body's end elsewhere.
std::optional<HeadError> CheckTransfer(const Request& request, unsigned version) {
  if (!request.field("transfer-encoding").has_value()) return std::nullopt;
  if (version < kHttp11) {
    return Malformed("HTTP/1.0 has no Transfer-Encoding; send Content-Length");
  }
  if (request.field("content-length").has_value()) {
    return Malformed("there are both Transfer-Encoding and Content-Length; send one of them");
  }
  const std::string codings = ListOf(request, "transfer-encoding");
  if (ToLower(codings) == "chunked") return std::nullopt;
  if (codings.empty()) return Malformed("the Transfer-Encoding is empty");
  return HeadError{.status = 501,
                   .message = StrCat("the Transfer-Encoding is '", BoundedUtf8(codings, kMaxQuoted),
                                     "'; the only one known here is chunked")};
}

// RFC 9112, 3.2. None: it has no form that makes sense here.
std::optional<std::string> OriginForm(std::string_view method, std::string_view target) {
  if (target.starts_with('/')) return std::string(target);
  if (target == "*") return method == "OPTIONS" ? std::optional<std::string>("*") : std::nullopt;
  const size_t colon = target.find("://");
  if (colon == target.npos) return std::nullopt;
  const std::string scheme = ToLower(target.substr(0, colon));
  if (scheme != "http" && scheme != "https") return std::nullopt;
  const std::string_view rest = target.substr(colon + 3);
  const size_t end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, end);
  if (authority.empty() || !IsHost(authority)) return std::nullopt;
  const std::string_view path = rest.substr(end);
  if (!path.empty()) return StrCat(path.starts_with('/') ? "" : "/", path);
  return method == "OPTIONS" ? "*" : "/";
}

}  // namespace

std::variant<Head, HeadError> ReadHead(const Request& request, unsigned version) {
  if (auto error = CheckTransfer(request, version)) return *std::move(error);
  if (auto error = CheckHost(request, version)) return *std::move(error);
  if (request.method == "CONNECT") {
    return HeadError{.status = 501, .message = "this is no proxy, and there is no CONNECT"};
  }
  std::optional<std::string> target = OriginForm(request.method, request.target);
  if (!target.has_value()) {
    return Malformed(StrCat("the target is '", BoundedUtf8(request.target, kMaxQuoted),
                            "'; send a path that begins with '/'"));
  }
  const absl::StatusOr<ContentCoding> coding =
      ParseContentCoding(ListOf(request, "content-encoding"));
  if (!coding.ok()) {
    return HeadError{.status = 415, .message = std::string(Message(coding.status()))};
  }
  const std::string expected = ToLower(ListOf(request, "expect"));
  if (!expected.empty() && expected != "100-continue") {
    return HeadError{.status = 417,
                     .message = "the only expectation that can be met is 100-continue"};
  }
  return Head{.target = *std::move(target),
              .coding = *coding,
              // HTTP/1.0 knows no answer but the last.
              .expects_continue = !expected.empty() && version >= kHttp11};
}

}  // namespace tiffin::gateway::http
