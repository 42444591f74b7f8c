#include "common/security/token_file.h"

#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "common/config/diagnostics.h"
#include "common/config/mapping.h"
#include "common/config/scalars.h"
#include "common/config/yaml_reader.h"
#include "common/config/yaml_source.h"
#include "common/strings.h"

namespace tiffin::security {
namespace {

using config::Describe;
using config::Diagnostics;
using config::Mapping;
using config::ReadText;
using config::YamlNode;

constexpr std::string_view kExample =
    "- {name: checkout, services: [digits], sha256: ...}, as 'tiffin token' prints it";
constexpr keys::Text kServiceText = {.wanted = "a service's name, \"/metrics\", or \"*\"",
                                     .pattern = "[a-z][a-z0-9_]*|/metrics|\\*"};
constexpr size_t kMaxName = 64;
// Scanners for leaked secrets look for what tokens begin with.
constexpr std::string_view kPrefix = "tiffin_";
constexpr size_t kRandomBytes = 32;

constexpr std::array<keys::Key, 3> kKeys = {{
    {.name = "name",
     .form = keys::Text{.wanted = "letters, digits, '_', '-' and '.', 64 at most",
                        .pattern = "[A-Za-z0-9_.-]{1,64}"},
     .meaning = "What the access log calls whoever has the token",
     .required = "name: checkout"},
    {.name = "services",
     .form = keys::List{.noun = "services such as [digits]", .item = kServiceText, .min = 1},
     .meaning = "What it is for: services by name, \"/metrics\", or \"*\" for everything",
     .required = "services: [digits]"},
    {.name = "sha256",
     .form = keys::Text{.wanted = "64 hexadecimal digits", .pattern = "[0-9a-fA-F]{64}"},
     .meaning = "The token's SHA-256, as 'tiffin token' prints it",
     .required = "its SHA-256, by 'tiffin token'"},
}};

bool IsTokenName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

bool IsService(std::string_view name) {
  return name == kAllServices || name == kMetrics ||
         (!name.empty() && name.front() >= 'a' && name.front() <= 'z' &&
          std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
          }));
}

std::optional<Digest> ParseDigest(std::string_view hex) {
  if (hex.size() != 2 * Digest().size()) return std::nullopt;
  if (!std::all_of(hex.begin(), hex.end(),
                   [](unsigned char c) { return absl::ascii_isxdigit(c); })) {
    return std::nullopt;
  }
  const std::string bytes = absl::HexStringToBytes(ToAbsl(hex));
  Digest digest;
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

class Reader {
 public:
  explicit Reader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  std::vector<TokenEntry> Read(const YamlNode& root) {
    std::vector<TokenEntry> entries;
    if (!root.is(YamlNode::Kind::kSequence)) {
      if (!root.is(YamlNode::Kind::kBroken)) {
        // A text may be a token itself, which no log is to have.
        const std::string found = root.is(YamlNode::Kind::kScalar)
                                      ? "a text (a token itself is what callers are given)"
                                      : Describe(root);
        diagnostics_.Add(root.location, StrCat("a file of tokens is a list, with a line for each: ",
                                               kExample, "; not ", found));
      }
      return entries;
    }
    for (const YamlNode& item : root.items) {
      if (std::optional<TokenEntry> entry = ReadEntry(item)) entries.push_back(*std::move(entry));
    }
    return entries;
  }

 private:
  std::optional<TokenEntry> ReadEntry(const YamlNode& node) {
    const Mapping mapping(node, "a token", node.location, kTokenSection, diagnostics_);
    if (!mapping.valid()) return std::nullopt;
    const YamlNode* name = mapping.Find("name");
    const YamlNode* services = mapping.Find("services");
    const YamlNode* sha256 = mapping.Find("sha256");
    if (name == nullptr || services == nullptr || sha256 == nullptr) return std::nullopt;
    TokenEntry entry;
    entry.name = ReadName(*name);
    entry.services = ReadServices(*services);
    const std::optional<Digest> digest = ReadDigest(*sha256);
    if (!digest.has_value()) return std::nullopt;
    entry.digest = *digest;
    return entry;
  }

  std::string ReadName(const YamlNode& node) {
    std::string name = ReadText(node, "'name'", diagnostics_).value_or("");
    if (name.empty()) return name;
    if (!IsTokenName(name)) {
      diagnostics_.Add(node.location, StrCat("'name' must have letters, digits, '_', '-' and '.', ",
                                             kMaxName, " at most; it is for the log"));
    } else if (!names_.insert(name).second) {
      diagnostics_.Add(node.location, StrCat("there is another token '", name,
                                             "'; choose a name that the log can tell apart"));
    }
    return name;
  }

  std::vector<std::string> ReadServices(const YamlNode& node) {
    std::vector<std::string> services;
    if (!node.is(YamlNode::Kind::kSequence) || node.items.empty()) {
      if (!node.is(YamlNode::Kind::kBroken)) {
        diagnostics_.Add(node.location,
                         "'services' must be a list of services such as [digits], or [\"*\"], "
                         "which is all of them");
      }
      return services;
    }
    for (const YamlNode& item : node.items) {
      const std::optional<std::string> service = ReadText(item, "a service", diagnostics_);
      if (!service.has_value()) continue;
      if (!IsService(*service)) {
        diagnostics_.Add(item.location,
                         "a service has the name that its service file gives it; \"*\" is all of "
                         "them, and \"/metrics\" the metrics");
        continue;
      }
      services.push_back(*service);
    }
    return services;
  }

  // What stands there is not quoted in a message: it may be the token.
  std::optional<Digest> ReadDigest(const YamlNode& node) {
    std::optional<Digest> digest;
    if (node.is(YamlNode::Kind::kScalar)) digest = ParseDigest(node.text);
    if (!digest.has_value()) {
      diagnostics_.Add(node.location,
                       "'sha256' must be the token's SHA-256, 64 hex digits; 'tiffin token' makes "
                       "a token and its line, and 'printf %s TOKEN | sha256sum' does it by hand");
    } else if (!digests_.insert(*digest).second) {
      diagnostics_.Add(node.location, "this token is there already; make another one");
    }
    return digest;
  }

  Diagnostics& diagnostics_;
  std::set<std::string> names_;
  std::set<Digest> digests_;
};

}  // namespace

const keys::Section kTokenSection = {.keys = kKeys};

absl::StatusOr<std::vector<TokenEntry>> ParseTokens(std::string_view yaml,
                                                    const std::string& file) {
  Diagnostics diagnostics(file);
  std::vector<TokenEntry> entries;
  if (const std::optional<config::BadByte> bad = config::FindBadByte(yaml)) {
    diagnostics.Add(bad->location, bad->message);
    return diagnostics.ToStatus();
  }
  const std::optional<YamlNode> root = config::ReadYaml(yaml, diagnostics);
  if (root.has_value() && !root->is(YamlNode::Kind::kNull)) {
    entries = Reader(diagnostics).Read(*root);
  } else if (diagnostics.empty()) {
    diagnostics.Add({1, 1}, StrCat("the file is empty; write ", kExample,
                                   ", or [] if nobody is to call anything"));
  }
  if (!diagnostics.empty()) return diagnostics.ToStatus();
  return entries;
}

std::string TokenLine(const TokenEntry& entry) {
  const std::string services =
      absl::StrJoin(entry.services, ", ", [](std::string* out, const std::string& service) {
        // YAML takes a bare * for something else.
        out->append(service == kAllServices ? StrCat("\"", service, "\"") : service);
      });
  const absl::string_view digest(reinterpret_cast<const char*>(entry.digest.data()),
                                 entry.digest.size());
  return StrCat("- {name: ", entry.name, ", services: [", services,
                "], sha256: ", absl::BytesToHexString(digest), "}\n");
}

Digest DigestOf(std::string_view token) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest.data());
  return digest;
}

std::string MakeToken() {
  std::array<unsigned char, kRandomBytes> bytes{};
  // It fails only where the machine has no randomness at all.
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) std::abort();
  const absl::string_view raw(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return StrCat(kPrefix, absl::WebSafeBase64Escape(raw));
}

}  // namespace tiffin::security
