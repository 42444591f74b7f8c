// A reference into a segment: it is accepted just when arithmetic that can't overflow says that it
// names a segment, is aligned, inside, and of the size that dtype and shape ask for. An accepted
// one gives a view of just those bytes, and comes through a frame as it was.
#include <algorithm>
#include <vector>

#include "common/session/frames.h"
#include "common/shm/reference.h"
#include "tests/fuzz/fuzz.h"

namespace tiffin::fuzz {
namespace {

__extension__ using Wide = unsigned __int128;

// Beyond any segment's size a product stays as large as it is; times any dimension it still fits.
constexpr Wide kHuge = Wide{1} << 64;

bool IsGood(const shm::Reference& reference, uint64_t segment_size) {
  Wide product = 1;  // Without the zeros: parts of a shape are to be countable too.
  bool has_zero = false;
  for (const int64_t dimension : reference.shape) {
    if (dimension < 0) return false;
    has_zero = has_zero || dimension == 0;
    if (dimension > 0) product = std::min(kHuge, product * static_cast<Wide>(dimension));
  }
  const Wide elements = has_zero ? 0 : product;
  const Wide size = reference.size;
  if (product > static_cast<Wide>(INT64_MAX) || size + reference.offset > segment_size ||
      reference.segment == 0 || reference.offset % shm::kAlignment != 0 ||
      !IsDataType(static_cast<uint32_t>(reference.dtype))) {
    return false;
  }
  if (reference.dtype == DataType::kBytes) return elements * kBytesElementHeader <= size;
  return elements * ElementSize(reference.dtype) == size;
}

// A number near one that matters.
uint64_t Near(Input& input) {
  const uint8_t kind = input.Byte();
  switch (kind % 4) {
    case 0:
      return input.Number(1);
    case 1:
      return input.Number(2);
    case 2:
      return ~uint64_t{0} - input.Number(1);
    default:
      return input.Number();
  }
}

void Check(Input input) {
  static const std::vector<std::byte> memory(1 << 16);
  const auto segment = std::span(memory).first(input.Number(2));
  shm::Reference reference{.segment = Near(input),
                           .offset = Near(input) * (input.Byte() % 2 == 0 ? shm::kAlignment : 1),
                           .size = Near(input),
                           .dtype = static_cast<DataType>(input.Byte()),
                           .shape = {}};
  for (size_t rank = input.Byte() % 8; rank > 0; --rank) {
    reference.shape.push_back(static_cast<int64_t>(Near(input)));
  }
  const absl::StatusOr<TensorView> view = shm::Resolve(reference, segment);
  Require(view.ok() == IsGood(reference, segment.size()), "just the good ones are accepted");
  Require(view.status() == shm::CheckReference(reference, segment.size()),
          "with and without the bytes the answer is the same");
  if (!view.ok()) {
    Require(absl::IsInvalidArgument(view.status()), "a bad one is INVALID_ARGUMENT");
    return;
  }
  Require(view->bytes.data() == segment.data() + reference.offset &&
              view->bytes.size() == reference.size,
          "the view is the reference's bytes");
  worker::v1::Tensor tensor;
  session::SetReference(reference, tensor);
  const shm::Reference back = session::ToReference(tensor);
  Require(back.segment == reference.segment && back.offset == reference.offset &&
              back.size == reference.size && back.dtype == reference.dtype &&
              back.shape == reference.shape,
          "it comes through a frame as it was");
}

}  // namespace
}  // namespace tiffin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::fuzz::Check(tiffin::fuzz::Input(data, size));
  return 0;
}
