#pragma once

#include <string_view>

namespace tiffin::worker {

// A PNG of 480 x 56 pixels, black on white: "The soup was warm and very good." What runners that
// take images are measured on where no other is given.
std::string_view ExampleImage();

}  // namespace tiffin::worker
