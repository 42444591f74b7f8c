#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// `{backend: image}`: an encoded image (PNG, JPEG, WebP or BMP) in, fp32 features out, by OpenCV.
// Options: worker/image/options.h.
//
// `run(image) -> features`. In this order: decoded to 8 bits a channel; turned as EXIF says (JPEG,
// and PNG without transparency); transparent pixels laid over white; converted to the wanted color;
// resized in 8 bits (area averaging for a side that shrinks, bilinear for one that grows);
// multiplied by `scale`; laid out. Batchable if `size` is given, for only then are all rows alike.
//
// INVALID_ARGUMENT for what is not a whole, still image of at most `max_pixels` pixels.
absl::StatusOr<std::unique_ptr<Backend>> CreateImageBackend(const BackendConfig& config);

}  // namespace tiffin::worker
