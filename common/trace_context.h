#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tiffin {

// Where a request is in a trace, as W3C's Trace Context has it: the trace, and a span in it. A
// trace of zeros is none.
struct TraceContext {
  uint64_t trace_high = 0;
  uint64_t trace_low = 0;
  uint64_t span = 0;
  uint64_t parent = 0;  // The span that asked for this one; 0: none is known.
  uint8_t flags = 0;    // 1: sampled.

  bool valid() const { return (trace_high | trace_low) != 0 && span != 0; }
  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

// What a client sent as `traceparent`; its span is the client's. Any version but ff, whose first
// fields must be those of version 00. nullopt: it is none, and a new trace is to begin.
std::optional<TraceContext> ParseTraceparent(std::string_view text);
// `00-<trace>-<span>-<flags>`
std::string ToTraceparent(const TraceContext& context);
std::string TraceIdText(const TraceContext& context);  // 32 hexadecimal digits.
std::string SpanIdText(uint64_t span);                 // 16

// The list that the values of one or more `tracestate` fields are together, as it may be passed on:
// whole members from the left, to 512 characters. Empty if it is not well-formed: then nothing of
// it may be passed on.
std::string JoinTracestate(std::span<const std::string_view> values);

}  // namespace tiffin
