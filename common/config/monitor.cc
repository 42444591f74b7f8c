#include "common/config/monitor.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "common/config/expression.h"
#include "common/config/mapping.h"
#include "common/config/scalars.h"
#include "common/config/service_keys.h"
#include "common/strings.h"

namespace tiffin::config {
namespace {

constexpr size_t kMaxFileName = 100;

bool IsFileCharacter(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9') || character == '.' || character == '_' ||
         character == '-';
}

// No folders, nothing hidden, and nothing that leads elsewhere.
bool IsPlainFileName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxFileName && name.front() != '.' &&
         name.front() != '-' && std::all_of(name.begin(), name.end(), IsFileCharacter);
}

std::string ReadFileName(const YamlNode& node, Diagnostics& diagnostics) {
  std::string name = ReadText(node, "'file'", diagnostics).value_or("");
  if (!name.empty() && !IsPlainFileName(name)) {
    diagnostics.Add(node.location, StrCat("'file' must be ", kMonitorFileText.wanted));
  }
  return name;
}

void ReadRotation(const YamlNode& node, MonitorConfig& monitor, Diagnostics& diagnostics) {
  const Mapping rotate(node, "'rotate'", node.location, kRotateSection, diagnostics);
  monitor.rotate_size = rotate.Bytes("size").value_or(monitor.rotate_size);
  monitor.rotate_keep = static_cast<int>(rotate.Integer("keep").value_or(monitor.rotate_keep));
}

std::vector<MonitorValue> ReadValues(const YamlNode& node, Diagnostics& diagnostics) {
  std::vector<MonitorValue> values;
  if (!node.is(YamlNode::Kind::kSequence) || node.items.empty()) {
    if (!node.is(YamlNode::Kind::kBroken)) {
      diagnostics.Add(
          node.location,
          StrCat("'values' must be a list of inputs, steps and outputs such as "
                 "[photo, scores], not ",
                 node.items.empty() && node.is(YamlNode::Kind::kSequence) ? "an empty one"
                                                                          : Describe(node)));
    }
    return values;
  }
  for (const YamlNode& item : node.items) {
    if (!ReadText(item, "a value", diagnostics).has_value()) continue;
    std::optional<Reference> reference = ParseReference(ExpressionOf(item), diagnostics);
    if (!reference.has_value()) continue;
    const bool again = std::any_of(values.begin(), values.end(), [&](const MonitorValue& value) {
      return value.reference == *reference;
    });
    if (again) {
      diagnostics.Add(item.location, StrCat("'", item.text, "' is named twice; remove one"));
      continue;
    }
    values.push_back({.reference = *std::move(reference), .location = item.location});
  }
  return values;
}

}  // namespace

MonitorConfig ReadMonitor(const YamlNode& node, Diagnostics& diagnostics) {
  MonitorConfig monitor;
  monitor.location = node.location;
  monitor.file_location = node.location;
  const Mapping mapping(node, "'monitor'", node.location, kMonitorSection, diagnostics);
  if (!mapping.valid()) return monitor;
  if (const YamlNode* file = mapping.Find("file")) {
    monitor.file_location = file->location;
    monitor.file = ReadFileName(*file, diagnostics);
  }
  if (const YamlNode* values = mapping.Find("values")) {
    monitor.values = ReadValues(*values, diagnostics);
  }
  if (const YamlNode* rotate = mapping.Find("rotate")) ReadRotation(*rotate, monitor, diagnostics);
  monitor.sample = mapping.Number("sample").value_or(monitor.sample);
  monitor.payloads = mapping.Boolean("payloads").value_or(monitor.payloads);
  return monitor;
}

}  // namespace tiffin::config
