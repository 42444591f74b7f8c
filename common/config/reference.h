#pragma once

#include <string>

namespace tiffin::config {

// `name` or `step.output`.
struct Reference {
  std::string name;
  std::string output;  // Empty for the only one.

  friend bool operator==(const Reference&, const Reference&) = default;
};

}  // namespace tiffin::config
