// W3C's traceparent (the first line) and tracestate (a field for each other line). What is accepted
// names a trace and a span, and is the same when it is written and read again; a joined tracestate
// has at most 512 characters of printable ASCII, and joining it again leaves it as it is.
#include <algorithm>
#include <string>
#include <vector>

#include "common/trace_context.h"
#include "tests/fuzz/fuzz.h"

namespace tiffin {
namespace {

using fuzz::Require;

void Check(fuzz::Input input) {
  const std::optional<TraceContext> context = ParseTraceparent(input.Line());
  if (context.has_value()) {
    Require(context->valid(), "what is accepted names a trace and a span");
    const std::string text = ToTraceparent(*context);
    const std::optional<TraceContext> again = ParseTraceparent(text);
    Require(again == context, "it is what it was when it is read again");
    Require(ToTraceparent(*again) == text, "and is written the same");
    Require(text.find(TraceIdText(*context)) != text.npos &&
                text.find(SpanIdText(context->span)) != text.npos,
            "it has its trace and span in it");
  }
  std::vector<std::string_view> states;
  while (!input.empty()) states.push_back(input.Line());
  const std::string joined = JoinTracestate(states);
  Require(joined.size() <= 512, "a tracestate has at most 512 characters");
  Require(std::all_of(joined.begin(), joined.end(), [](char c) { return c >= ' ' && c <= '~'; }),
          "a tracestate is printable ASCII");
  const std::string_view only = joined;
  Require(JoinTracestate({&only, 1}) == joined, "a joined tracestate stays as it is");
}

}  // namespace
}  // namespace tiffin

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::Check(tiffin::fuzz::Input(data, size));
  return 0;
}
