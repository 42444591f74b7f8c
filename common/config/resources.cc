#include "common/config/resources.h"

#include <string_view>

#include "common/config/mapping.h"
#include "common/config/scalars.h"
#include "common/config/service_keys.h"
#include "common/strings.h"

namespace tiffin::config {
namespace {

constexpr std::string_view kCuda = "cuda:";
constexpr size_t kMaxDeviceDigits = 3;

bool IsDevice(std::string_view text) {
  if (text == kCpuDevice) return true;
  if (!text.starts_with(kCuda)) return false;
  text.remove_prefix(kCuda.size());
  const bool is_number = text.find_first_not_of("0123456789") == std::string_view::npos;
  const bool has_leading_zero = text.size() > 1 && text[0] == '0';
  return !text.empty() && text.size() <= kMaxDeviceDigits && is_number && !has_leading_zero;
}

}  // namespace

ResourcesConfig ReadResources(const YamlNode& node, Diagnostics& diagnostics) {
  ResourcesConfig resources;
  const Mapping mapping(node, "'resources'", node.location, kResourcesSection, diagnostics);
  resources.cpu = mapping.Number("cpu");
  if (const auto threads = mapping.Integer("threads")) {
    resources.threads = static_cast<int>(*threads);
  }
  return resources;
}

std::optional<std::string> ReadDevice(const YamlNode& node, Diagnostics& diagnostics) {
  std::optional<std::string> device = ReadText(node, "'device'", diagnostics);
  if (!device.has_value() || IsDevice(*device)) return device;
  diagnostics.Add(node.location,
                  StrCat("'device' must be ", kDeviceText.wanted, ", not ", Describe(node)));
  return std::nullopt;
}

}  // namespace tiffin::config
