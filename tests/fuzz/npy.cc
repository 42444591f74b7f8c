// A .npy file. What is accepted is a tensor with the bytes of its shape, inside the file, and the
// same tensor when it is written and read again.
#include "gateway/client/npy.h"
#include "tests/fuzz/fuzz.h"

namespace tiffin::gateway::client {
namespace {

using fuzz::Require;

void Check(std::string_view file) {
  if (!IsNpy(file)) return;
  const absl::StatusOr<TensorView> tensor = ReadNpy(file);
  if (!tensor.ok()) {
    Require(absl::IsInvalidArgument(tensor.status()), "a bad file is INVALID_ARGUMENT");
    return;
  }
  Require(ValidateTensor(*tensor).ok(), "a tensor has the bytes of its shape");
  const std::string_view bytes = AsStringView(tensor->bytes);
  Require(bytes.data() >= file.data() && bytes.data() + bytes.size() <= file.data() + file.size(),
          "the bytes are the file's");
  const absl::StatusOr<std::string> written = WriteNpy(*tensor);
  Require(written.ok(), "what was read can be written");
  const absl::StatusOr<TensorView> again = ReadNpy(*written);
  Require(again.ok() && again->dtype == tensor->dtype && again->shape == tensor->shape &&
              AsStringView(again->bytes) == bytes,
          "it is what it was when it is read again");
}

}  // namespace
}  // namespace tiffin::gateway::client

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::gateway::client::Check(tiffin::fuzz::Input(data, size).Rest());
  return 0;
}
