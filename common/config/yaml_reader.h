#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/diagnostics.h"

namespace tiffin::config {

struct YamlEntry;

// A YAML document as a tree of our own: yaml-cpp's nodes keep duplicate keys and share what an
// alias names.
struct YamlNode {
  // kBroken: what is wrong with it has been reported, and nothing more need be said.
  enum class Kind { kNull, kScalar, kSequence, kMap, kBroken };

  Kind kind = Kind::kNull;
  // Of its first character, the quote of a quoted scalar included. Of a null: its key's.
  Location location;
  std::string text;     // Of a scalar.
  bool quoted = false;  // A scalar in quotes, or a block (| or >): always text.
  // Where `text` starts, if it stands in the file letter by letter, on one line.
  std::optional<Location> text_location;
  std::vector<YamlNode> items;     // Of a sequence.
  std::vector<YamlEntry> entries;  // Of a map: in the order of the file, each key once.

  bool is(Kind wanted) const { return kind == wanted; }
};

struct YamlEntry {
  std::string key;
  Location location;
  YamlNode value;
};

// Reads one document. Duplicate keys, aliases, anchors, tags, nesting too deep, and steps that YAML
// would cut in pieces go to `diagnostics`; the tree is what remains. nullopt if there is none.
// Throws nothing.
std::optional<YamlNode> ReadYaml(std::string_view text, Diagnostics& diagnostics);

}  // namespace tiffin::config
