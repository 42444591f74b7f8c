#pragma once

#include <span>
#include <string_view>

// The files in templates/, which `tiffin new` makes services of.
namespace tiffin::gateway {

struct ServiceTemplate {
  std::string_view kind;  // The folder in templates/: "python", "cpp", or "both".
  std::string_view file;
  // With "{{name}}" and its like where a service's own words go.
  std::string_view text;
};

std::span<const ServiceTemplate> ServiceTemplates();

}  // namespace tiffin::gateway
