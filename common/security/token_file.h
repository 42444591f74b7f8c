#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/keys/key.h"

// The file of tokens that a server takes, as people write it: a list, in YAML, of
//   - {name: checkout, services: [digits], sha256: 2c26b46b68ffc68ff99b453c1d30413413422d70...}
// It has only digests of the tokens, which say nothing of tokens as random as those made here.
namespace tiffin::security {

using Digest = std::array<uint8_t, 32>;

struct TokenEntry {
  std::string name;                   // For logs: never the token.
  std::vector<std::string> services;  // Or "*": all, and "/metrics".
  Digest digest;                      // SHA-256 of the token.
};

// What may stand in a token's line.
extern const keys::Section kTokenSection;

inline constexpr std::string_view kAllServices = "*";
// What is no service, but can be allowed like one: to read GET /metrics.
inline constexpr std::string_view kMetrics = "/metrics";

// `file` stands in messages: everything that is wrong, each with its place, and the fix.
absl::StatusOr<std::vector<TokenEntry>> ParseTokens(std::string_view yaml, const std::string& file);

// The line of the file for a token.
std::string TokenLine(const TokenEntry& entry);

Digest DigestOf(std::string_view token);
// A fresh one, of 256 random bits.
std::string MakeToken();

}  // namespace tiffin::security
