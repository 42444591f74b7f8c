#include "common/config/monitor.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "common/config/expression.h"
#include "common/config/mapping.h"
#include "common/config/scalars.h"
#include "common/strings.h"

namespace tiffin::config {
namespace {

constexpr std::array<std::string_view, 5> kMonitorKeys = {"file", "rotate", "sample", "values",
                                                          "payloads"};
constexpr std::array<std::string_view, 2> kRotateKeys = {"size", "keep"};
constexpr size_t kMaxFileName = 100;
constexpr ByteRange kRotateSizes = {.min = uint64_t{4} << 10, .max = uint64_t{1} << 40};
constexpr int64_t kMaxKeep = 1000;
constexpr std::string_view kExample = "{file: \"digits.jsonl\", values: [photo, scores]}";

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
    diagnostics.Add(node.location,
                    "'file' must be a plain name such as \"digits.jsonl\", without "
                    "folders: where it lies is said by --monitor-dir");
  }
  return name;
}

void ReadRotation(const YamlNode& node, MonitorConfig& monitor, Diagnostics& diagnostics) {
  const Mapping rotate(node, "'rotate'", node.location, kRotateKeys, diagnostics);
  if (const YamlNode* size = rotate.Find("size")) {
    monitor.rotate_size =
        ReadBytes(*size, "'size'", kRotateSizes, diagnostics).value_or(monitor.rotate_size);
  }
  if (const YamlNode* keep = rotate.Find("keep")) {
    const auto count = ReadInteger(*keep, "'keep'", {0, kMaxKeep}, diagnostics);
    monitor.rotate_keep = static_cast<int>(count.value_or(monitor.rotate_keep));
  }
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
  Mapping mapping(node, "'monitor'", node.location, kMonitorKeys, diagnostics);
  if (!mapping.valid()) return monitor;
  if (const YamlNode* file = mapping.Require("file", kExample)) {
    monitor.file_location = file->location;
    monitor.file = ReadFileName(*file, diagnostics);
  }
  if (const YamlNode* values = mapping.Require("values", kExample)) {
    monitor.values = ReadValues(*values, diagnostics);
  }
  if (const YamlNode* rotate = mapping.Find("rotate")) ReadRotation(*rotate, monitor, diagnostics);
  if (const YamlNode* sample = mapping.Find("sample")) {
    monitor.sample =
        ReadPositive(*sample, "'sample'", /*max=*/1, diagnostics).value_or(monitor.sample);
  }
  if (const YamlNode* payloads = mapping.Find("payloads")) {
    monitor.payloads = ReadBoolean(*payloads, "'payloads'", diagnostics).value_or(monitor.payloads);
  }
  return monitor;
}

}  // namespace tiffin::config
