#include "common/shm/reference.h"

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::shm {
namespace {

std::string Describe(const Reference& reference) {
  return StrCat("reference {segment ", reference.segment, ", offset ", reference.offset, ", size ",
                reference.size, "}");
}

absl::Status Refuse(const Reference& reference, std::string_view what) {
  return absl::InvalidArgumentError(StrCat(Describe(reference), ": ", what));
}

// The size that dtype and shape ask for.
absl::Status CheckSize(const Reference& reference) {
  if (reference.dtype == DataType::kBytes) {
    const absl::StatusOr<int64_t> count = ElementCount(reference.shape);
    if (!count.ok()) return Refuse(reference, Message(count.status()));
    // Every element has a header, so this many elements need at least that much memory: whoever
    // reserves room for them by the shape is safe.
    if (static_cast<uint64_t>(*count) > reference.size / kBytesElementHeader) {
      return Refuse(reference, StrCat("is too small for the ", *count, " elements of its shape ",
                                      ShapeToString(reference.shape)));
    }
    return absl::OkStatus();
  }
  const absl::StatusOr<uint64_t> size = ByteSize(reference.dtype, reference.shape);
  if (!size.ok()) return Refuse(reference, Message(size.status()));
  if (*size != reference.size) {
    return Refuse(reference, StrCat("its size is not that of ", DataTypeName(reference.dtype),
                                    ShapeToString(reference.shape), ", ", *size));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckReference(const Reference& reference, uint64_t segment_size) {
  if (reference.segment == 0) return Refuse(reference, "segments are counted from 1");
  if (!IsDataType(static_cast<uint32_t>(reference.dtype))) {
    return Refuse(reference,
                  StrCat("has the unknown dtype number ", static_cast<uint32_t>(reference.dtype)));
  }
  if (reference.offset % kAlignment != 0) {
    return Refuse(reference, StrCat("its offset is no multiple of ", kAlignment));
  }
  if (reference.offset > segment_size || reference.size > segment_size - reference.offset) {
    return Refuse(reference, StrCat("reaches beyond the segment's ", segment_size, " bytes"));
  }
  return CheckSize(reference);
}

absl::StatusOr<TensorView> Resolve(const Reference& reference, std::span<const std::byte> segment) {
  RETURN_IF_ERROR(CheckReference(reference, segment.size()));
  return TensorView{.dtype = reference.dtype,
                    .shape = reference.shape,
                    .bytes = segment.subspan(reference.offset, reference.size)};
}

}  // namespace tiffin::shm
