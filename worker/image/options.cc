#include "worker/image/options.h"

#include <cmath>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/imaging/encoded.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;

constexpr int64_t kLongestSide = 16384;

absl::Status Wrong(std::string_view option, const json& value, std::string_view wanted) {
  return absl::InvalidArgumentError(
      StrCat("image backend: option '", option, "' is ",
             value.dump(-1, ' ', false, json::error_handler_t::replace), "; it must be ", wanted));
}

template <typename T>
absl::StatusOr<T> ParseName(std::string_view option, const json& value,
                            const std::map<std::string, T>& names, std::string_view wanted) {
  if (value.is_string()) {
    if (const auto it = names.find(value.get_ref<const std::string&>()); it != names.end()) {
      return it->second;
    }
  }
  return Wrong(option, value, wanted);
}

absl::StatusOr<ImageSize> ParseSize(const json& value) {
  constexpr std::string_view kWanted = "[width, height], each from 1 to 16384";
  if (!value.is_array() || value.size() != 2) return Wrong("size", value, kWanted);
  for (const json& side : value) {
    if (!side.is_number_integer() || side < 1 || side > kLongestSide) {
      return Wrong("size", value, kWanted);
    }
  }
  return ImageSize{value[0].get<int64_t>(), value[1].get<int64_t>()};
}

absl::Status SetOption(const std::string& option, const json& value, ImageOptions& options) {
  if (option == "color") {
    ASSIGN_OR_RETURN(options.color, ParseName<ImageColor>(option, value,
                                                          {{"gray", ImageColor::kGray},
                                                           {"rgb", ImageColor::kRgb},
                                                           {"bgr", ImageColor::kBgr}},
                                                          "gray, rgb or bgr"));
  } else if (option == "layout") {
    ASSIGN_OR_RETURN(options.layout, ParseName<ImageLayout>(option, value,
                                                            {{"flat", ImageLayout::kFlat},
                                                             {"hwc", ImageLayout::kHwc},
                                                             {"chw", ImageLayout::kChw}},
                                                            "flat, hwc or chw"));
  } else if (option == "size") {
    ASSIGN_OR_RETURN(options.size, ParseSize(value));
  } else if (option == "scale") {
    if (!value.is_number() || !std::isfinite(value.get<float>())) {
      return Wrong(option, value, "a number");
    }
    options.scale = value.get<double>();
  } else if (option == "max_pixels") {
    if (!value.is_number_integer() || value < 1 || value > kMostPixels) {
      return Wrong(option, value, "a whole number from 1 to 1073741824");
    }
    options.max_pixels = value.get<int64_t>();
  } else {
    return absl::InvalidArgumentError(
        StrCat("image backend: unknown option '", option,
               "'; the options are color, size, scale, layout and max_pixels"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ImageOptions> ParseImageOptions(const json& options) {
  ImageOptions parsed;
  if (options.is_null()) return parsed;
  if (!options.is_object()) {
    return absl::InvalidArgumentError("image backend: the options must be a mapping");
  }
  for (const auto& [option, value] : options.items()) {
    RETURN_IF_ERROR(SetOption(option, value, parsed));
  }
  return parsed;
}

}  // namespace tiffin::worker
