// A compressed body (gzip or zlib). What comes of it is never beyond the limit, nor beyond what was
// allowed before it was there; and a body that is accepted is what it was when it is compressed
// and inflated again.
#include <zlib.h>

#include <algorithm>
#include <string>

#include "gateway/api/http/content_coding.h"
#include "tests/fuzz/fuzz.h"

namespace tiffin::gateway::http {
namespace {

using fuzz::Require;

constexpr uint64_t kLimit = 1 << 18;

std::string Deflate(const std::string& text) {
  uLongf size = compressBound(text.size());
  std::string coded(size, '\0');
  Require(compress(reinterpret_cast<Bytef*>(coded.data()), &size,
                   reinterpret_cast<const Bytef*>(text.data()), text.size()) == Z_OK,
          "text can be compressed");
  coded.resize(size);
  return coded;
}

void Check(fuzz::Input input) {
  // Who else has a body has less room for it.
  const uint64_t room = uint64_t{1} << (input.Byte() % 24);
  uint64_t allowed = 0;
  const auto grow = [&](uint64_t bytes) {
    if (bytes > room) return false;
    allowed = std::max(allowed, bytes);
    return true;
  };
  const absl::StatusOr<std::string> text = Inflate(input.Rest(), kLimit, grow);
  if (!text.ok()) {
    Require(absl::IsInvalidArgument(text.status()) || absl::IsOutOfRange(text.status()) ||
                absl::IsResourceExhausted(text.status()),
            "a body is bad, too long, or finds no room");
    return;
  }
  Require(text->size() <= kLimit && text->size() <= allowed, "a body stays within its limits");
  const auto any = [](uint64_t) { return true; };
  const absl::StatusOr<std::string> again = Inflate(Deflate(*text), kLimit, any);
  Require(again.ok() && *again == *text, "a body comes back as it was");
}

}  // namespace
}  // namespace tiffin::gateway::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::gateway::http::Check(tiffin::fuzz::Input(data, size));
  return 0;
}
