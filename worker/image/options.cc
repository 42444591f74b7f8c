#include "worker/image/options.h"

#include <array>
#include <string_view>
#include <utility>

#include "common/keys/options.h"
#include "common/status_macros.h"
#include "worker/imaging/encoded.h"

namespace tiffin::worker {
namespace {

using keys::Key;

constexpr std::pair<std::string_view, ImageColor> kColors[] = {
    {"gray", ImageColor::kGray}, {"rgb", ImageColor::kRgb}, {"bgr", ImageColor::kBgr}};
constexpr std::array kColorWords = keys::WordsOf(kColors);
constexpr std::pair<std::string_view, ImageLayout> kLayouts[] = {
    {"flat", ImageLayout::kFlat}, {"hwc", ImageLayout::kHwc}, {"chw", ImageLayout::kChw}};
constexpr std::array kLayoutWords = keys::WordsOf(kLayouts);

constexpr std::array<Key, 5> kKeys = {{
    {.name = "color",
     .form = keys::Choice{.words = kColorWords, .fallback = "rgb"},
     .meaning = "The channels of the features, and their order"},
    {.name = "size",
     .form = keys::List{.noun = "[width, height]",
                        .item = keys::Integer{.min = 1, .max = 16384},
                        .min = 2,
                        .max = 2},
     .meaning = "What every image is resized to",
     .otherwise = "each image keeps its own"},
    {.name = "scale",
     .form = keys::Number{.fallback = 1},
     .meaning = "What a pixel of 0 to 255 is multiplied by"},
    {.name = "layout",
     .form = keys::Choice{.words = kLayoutWords, .fallback = "hwc"},
     .meaning = "The order of height, width and channels; flat is hwc in one dimension"},
    {.name = "max_pixels",
     .form = keys::Integer{.min = 1, .max = kMostPixels, .fallback = kDefaultMaxPixels},
     .meaning = "An encoded image of more is refused before it is decoded"},
}};

}  // namespace

std::span<const Key> ImageKeys() { return kKeys; }

absl::StatusOr<ImageOptions> ParseImageOptions(const nlohmann::json& options) {
  ASSIGN_OR_RETURN(const keys::Options read, keys::Options::Read("image", kKeys, options));
  ImageOptions parsed = {.color = read.Choice("color", kColors),
                         .size = std::nullopt,
                         .scale = read.Number("scale"),
                         .layout = read.Choice("layout", kLayouts),
                         .max_pixels = read.Integer("max_pixels")};
  if (const nlohmann::json* size = read.Find("size")) {
    parsed.size = ImageSize{(*size)[0].get<int64_t>(), (*size)[1].get<int64_t>()};
  }
  return parsed;
}

}  // namespace tiffin::worker
