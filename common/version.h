#pragma once

// Read by CMakeLists.txt too.
namespace tiffin {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace tiffin
