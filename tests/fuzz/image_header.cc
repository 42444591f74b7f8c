// The header of an encoded image, read before anything is decoded. What is accepted has a size, and
// every shorter piece of it is refused (an image that was cut short), but for what may follow its
// end marker.
#include <vector>

#include "common/tensor.h"
#include "tests/fuzz/fuzz.h"
#include "worker/imaging/encoded.h"

namespace tiffin::worker {
namespace {

using fuzz::Require;

void Check(std::string_view bytes) {
  const absl::StatusOr<EncodedImage> image = InspectImage(AsBytes(bytes));
  if (!image.ok()) {
    Require(absl::IsInvalidArgument(image.status()), "a bad image is INVALID_ARGUMENT");
    Require(image.status().message().size() <= 1024, "an error has at most 1 KiB");
    return;
  }
  Require(image->width > 0 && image->height > 0, "an image has a size");
  // In memory of its own, so that a reader beyond it is found.
  const std::vector<char> half(bytes.begin(),
                               bytes.begin() + static_cast<ptrdiff_t>(bytes.size() / 2));
  (void)InspectImage(AsBytes(std::string_view(half.data(), half.size()))).ok();
}

}  // namespace
}  // namespace tiffin::worker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::worker::Check(tiffin::fuzz::Input(data, size).Rest());
  return 0;
}
