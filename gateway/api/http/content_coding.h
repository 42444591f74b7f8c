#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace tiffin::gateway::http {

// How a body may be coded: not at all, or by zlib (gzip, deflate).
enum class ContentCoding { kIdentity, kZlib };

// Of the list Content-Encoding, empty if there is none: one coding, besides `identity`.
// UNIMPLEMENTED for any other.
absl::StatusOr<ContentCoding> ParseContentCoding(std::string_view field);

// The bytes that `coded` stands for. INVALID_ARGUMENT if it is cut short, or something else;
// OUT_OF_RANGE beyond `limit` bytes; RESOURCE_EXHAUSTED where `grow`, told before there are so many
// bytes, says no.
absl::StatusOr<std::string> Inflate(std::string_view coded, uint64_t limit,
                                    absl::FunctionRef<bool(uint64_t bytes)> grow);

}  // namespace tiffin::gateway::http
