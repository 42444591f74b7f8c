#include "worker/imaging/encoded.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/tensor.h"

namespace tiffin::worker {
namespace {

constexpr std::string_view kPngMagic = "\x89PNG\r\n\x1a\n";
// A progressive JPEG decodes the whole image once a scan: real ones have about ten.
constexpr int kMaxJpegScans = 100;

absl::Status Truncated(std::string_view format) {
  return absl::InvalidArgumentError(
      StrCat("the ", format, " image is truncated; send the whole file"));
}

absl::Status Broken(std::string_view format, std::string_view what) {
  return absl::InvalidArgumentError(StrCat("the ", format, " image is broken: ", what));
}

absl::Status Animated(std::string_view format) {
  return absl::InvalidArgumentError(
      StrCat("the ", format, " image is an animation; send one frame of it"));
}

uint32_t ByteAt(std::string_view data, size_t at) { return static_cast<unsigned char>(data[at]); }

// `count` bytes from `at` on, which must lie within `data`.
int64_t BigEndian(std::string_view data, size_t at, size_t count) {
  int64_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | ByteAt(data, at + i);
  return value;
}

int64_t LittleEndian(std::string_view data, size_t at, size_t count) {
  int64_t value = 0;
  for (size_t i = count; i-- > 0;) value = value << 8 | ByteAt(data, at + i);
  return value;
}

absl::StatusOr<EncodedImage> InspectPng(std::string_view data) {
  EncodedImage image;
  size_t at = kPngMagic.size();
  // A chunk: length, type, that many bytes, checksum.
  constexpr size_t kFrame = 12;
  for (bool first = true;; first = false) {
    if (data.size() - at < kFrame) return Truncated("PNG");
    const auto length = static_cast<uint64_t>(BigEndian(data, at, 4));
    const std::string_view type = data.substr(at + 4, 4);
    if (data.size() - at - kFrame < length) return Truncated("PNG");
    if (first) {
      if (type != "IHDR" || length != 13) return Broken("PNG", "it does not begin with a header");
      image.width = BigEndian(data, at + 8, 4);
      image.height = BigEndian(data, at + 12, 4);
      const uint32_t color_type = ByteAt(data, at + 17);
      image.has_alpha = color_type == 4 || color_type == 6;
    }
    if (type == "tRNS") image.has_alpha = true;
    if (type == "acTL") return Animated("PNG");
    if (type == "IEND") return image;
    at += kFrame + length;
  }
}

absl::StatusOr<EncodedImage> InspectJpeg(std::string_view data) {
  EncodedImage image;
  int scans = 0;
  size_t at = 2;
  while (true) {
    // Entropy-coded data, or fill bytes, up to the next marker. FF00 is a stuffed FF, FFD0 to FFD7
    // are restarts within a scan.
    at = data.find('\xff', at);
    if (at == std::string_view::npos || at + 1 >= data.size()) return Truncated("JPEG");
    const uint32_t marker = ByteAt(data, at + 1);
    if (marker == 0xff) {
      at += 1;
      continue;
    }
    at += 2;
    if (marker == 0x00 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue;
    if (marker == 0xd9) {
      if (scans == 0 || image.width == 0) return Broken("JPEG", "it holds no image");
      return image;
    }
    if (data.size() - at < 2) return Truncated("JPEG");
    const auto length = static_cast<size_t>(BigEndian(data, at, 2));
    if (length < 2) return Broken("JPEG", "a segment has no length");
    if (data.size() - at < length) return Truncated("JPEG");
    const bool is_frame =
        marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (is_frame) {
      if (length < 8) return Broken("JPEG", "its frame header is too short");
      // Decoders take the first frame or the last: the limit has to hold for both.
      image.height = std::max(image.height, BigEndian(data, at + 3, 2));
      image.width = std::max(image.width, BigEndian(data, at + 5, 2));
    }
    if (marker == 0xda && ++scans > kMaxJpegScans) return Broken("JPEG", "it has too many scans");
    at += length;
  }
}

absl::StatusOr<EncodedImage> InspectWebp(std::string_view data) {
  // "RIFF" size "WEBP", then chunks: type, size, bytes padded to an even count.
  constexpr size_t kFirstChunk = 12;
  constexpr size_t kPayload = kFirstChunk + 8;
  if (data.size() < kPayload + 10) return Truncated("WebP");
  if (static_cast<size_t>(LittleEndian(data, 4, 4)) > data.size() - 8) return Truncated("WebP");
  const std::string_view type = data.substr(kFirstChunk, 4);
  EncodedImage image;
  if (type == "VP8X") {
    const uint32_t flags = ByteAt(data, kPayload);
    if ((flags & 0x02) != 0) return Animated("WebP");
    image.has_alpha = (flags & 0x10) != 0;
    image.width = LittleEndian(data, kPayload + 4, 3) + 1;
    image.height = LittleEndian(data, kPayload + 7, 3) + 1;
  } else if (type == "VP8L") {
    const int64_t bits = LittleEndian(data, kPayload + 1, 4);
    image.width = (bits & 0x3fff) + 1;
    image.height = (bits >> 14 & 0x3fff) + 1;
    image.has_alpha = (bits >> 28 & 1) != 0;
  } else if (type == "VP8 ") {
    image.width = LittleEndian(data, kPayload + 6, 2) & 0x3fff;
    image.height = LittleEndian(data, kPayload + 8, 2) & 0x3fff;
  } else {
    return Broken("WebP", "it does not begin with an image");
  }
  return image;
}

absl::StatusOr<EncodedImage> InspectBmp(std::string_view data) {
  if (data.size() < 26) return Truncated("BMP");
  EncodedImage image;
  const int64_t header = LittleEndian(data, 14, 4);
  if (header == 12) {
    image.width = LittleEndian(data, 18, 2);
    image.height = LittleEndian(data, 20, 2);
  } else {
    // Signed; a negative height says that the rows come from the top.
    image.width = static_cast<int32_t>(LittleEndian(data, 18, 4));
    image.height = static_cast<int32_t>(LittleEndian(data, 22, 4));
    if (image.height < 0) image.height = -image.height;
  }
  return image;
}

// What people send too, and is not decoded: named, so that they see what to convert. Empty:
// another.
std::string_view OtherFormat(std::string_view data) {
  if (data.starts_with("GIF8")) return "a GIF";
  if (data.starts_with(std::string_view("II*\0", 4)) ||
      data.starts_with(std::string_view("MM\0*", 4))) {
    return "a TIFF";
  }
  if (data.starts_with("%PDF-")) return "a PDF";
  return "";
}

absl::StatusOr<EncodedImage> InspectKnownFormat(std::string_view data) {
  if (data.starts_with(kPngMagic)) return InspectPng(data);
  if (data.starts_with("\xff\xd8\xff")) return InspectJpeg(data);
  if (data.starts_with("RIFF") && data.size() >= 12 && data.substr(8, 4) == "WEBP") {
    return InspectWebp(data);
  }
  if (data.starts_with("BM")) return InspectBmp(data);
  const std::string_view other = OtherFormat(data);
  return absl::InvalidArgumentError(
      other.empty() ? StrCat("these ", data.size(), " bytes are not an image that can be read; ",
                             "send a PNG, JPEG, WebP or BMP file")
                    : StrCat("this is ", other, ", and no image that can be read; send a PNG, ",
                             "JPEG, WebP or BMP file"));
}

}  // namespace

absl::StatusOr<EncodedImage> InspectImage(std::span<const std::byte> bytes) {
  if (bytes.empty()) {
    return absl::InvalidArgumentError("the image is empty (zero bytes); send a whole image file");
  }
  ASSIGN_OR_RETURN(EncodedImage image, InspectKnownFormat(AsStringView(bytes)));
  if (image.width <= 0 || image.height <= 0) {
    return absl::InvalidArgumentError(
        StrCat("the image says that it is ", image.width, " x ", image.height, " pixels"));
  }
  return image;
}

}  // namespace tiffin::worker
