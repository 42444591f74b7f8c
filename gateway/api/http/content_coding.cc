#include "gateway/api/http/content_coding.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "absl/strings/str_split.h"
#include "common/strings.h"
#include "gateway/api/text.h"

namespace tiffin::gateway::http {
namespace {

constexpr size_t kPiece = 64 << 10;
// zlib's largest window, and finding out by itself which of the two headers there is.
constexpr int kWindowBits = 15 + 32;

// Ends the stream, whatever happens.
struct Stream {
  ~Stream() { inflateEnd(&z); }
  z_stream z{};
};

absl::Status TooLarge(uint64_t limit) {
  return absl::OutOfRangeError(StrCat("the body has more than ", limit,
                                      " bytes when it is decompressed; send it without "
                                      "Content-Encoding"));
}

}  // namespace

absl::StatusOr<ContentCoding> ParseContentCoding(std::string_view field) {
  int codings = 0;
  bool is_known = true;
  for (const absl::string_view part : absl::StrSplit(ToAbsl(field), ',')) {
    const std::string coding = ToLower(Trim(ToStd(part)));
    if (coding.empty() || coding == "identity") continue;
    ++codings;
    is_known = is_known && (coding == "gzip" || coding == "x-gzip" || coding == "deflate");
  }
  if (codings == 0) return ContentCoding::kIdentity;
  if (codings == 1 && is_known) return ContentCoding::kZlib;
  return absl::UnimplementedError(StrCat("the body's Content-Encoding is '",
                                         BoundedUtf8(Trim(field), kMaxQuoted),
                                         "'; send it as gzip, as deflate, or without"));
}

absl::StatusOr<std::string> Inflate(std::string_view coded, uint64_t limit,
                                    absl::FunctionRef<bool(uint64_t bytes)> grow) {
  Stream stream;
  z_stream& z = stream.z;
  if (coded.size() > std::numeric_limits<uInt>::max() || inflateInit2(&z, kWindowBits) != Z_OK) {
    return absl::ResourceExhaustedError("there is no memory to decompress the body");
  }
  // zlib doesn't write there.
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(coded.data()));
  z.avail_in = static_cast<uInt>(coded.size());
  std::string out;
  while (true) {
    const size_t size = out.size();
    if (size > limit) return TooLarge(limit);
    const size_t piece = std::clamp(size, kPiece, size_t{16} << 20);
    if (!grow(size + piece)) {
      return absl::ResourceExhaustedError("the server has as many bytes of bodies as it takes");
    }
    out.resize(size + piece);
    z.next_out = reinterpret_cast<Bytef*>(out.data() + size);
    z.avail_out = static_cast<uInt>(piece);
    const int result = inflate(&z, Z_NO_FLUSH);
    out.resize(size + piece - z.avail_out);
    if (result == Z_STREAM_END) break;
    // With room left for output, what is missing is input.
    if (result != Z_OK || (z.avail_in == 0 && z.avail_out > 0)) {
      return absl::InvalidArgumentError(
          "the body is not what its Content-Encoding says, or is cut short");
    }
  }
  if (z.avail_in > 0) {
    return absl::InvalidArgumentError("the body goes on after its compressed data");
  }
  if (out.size() > limit) return TooLarge(limit);
  return out;
}

}  // namespace tiffin::gateway::http
