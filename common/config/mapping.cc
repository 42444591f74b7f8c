#include "common/config/mapping.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/config/name_hint.h"
#include "common/config/scalars.h"
#include "common/strings.h"

namespace tiffin::config {

Mapping::Mapping(const YamlNode& node, std::string what, Location location,
                 std::span<const std::string_view> known, Diagnostics& diagnostics)
    : node_(node), what_(std::move(what)), location_(location), diagnostics_(diagnostics) {
  std::vector<std::string> names(known.begin(), known.end());
  valid_ = node.is(YamlNode::Kind::kMap);
  if (!valid_ && !node.is(YamlNode::Kind::kBroken)) {
    diagnostics.Add(node.location, StrCat(what_, " must be a mapping with the keys ",
                                          absl::StrJoin(names, ", "), ", not ", Describe(node)));
  }
  for (const YamlEntry& entry : node.entries) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    const std::string_view nearest = Nearest(entry.key, known);
    diagnostics.Add(
        entry.location,
        StrCat("unknown key ", Quoted(entry.key), " in ", what_, "; ",
               nearest.empty() ? std::string() : StrCat("did you mean '", nearest, "'? "),
               "known here: ", absl::StrJoin(names, ", ")));
  }
}

const YamlNode* Mapping::Find(std::string_view key) const {
  for (const YamlEntry& entry : node_.entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

const YamlNode* Mapping::Require(std::string_view key, std::string_view example) {
  const YamlNode* found = Find(key);
  if (found == nullptr && valid_) {
    diagnostics_.Add(location_, StrCat(what_, " has no '", key, "'; add ", example));
  }
  return found;
}

std::vector<const YamlEntry*> ReadNamed(const YamlNode& node, std::string_view what,
                                        std::string_view example, Diagnostics& diagnostics) {
  std::vector<const YamlEntry*> named;
  if (node.is(YamlNode::Kind::kBroken)) return named;
  if (node.entries.empty()) {
    diagnostics.Add(
        node.location,
        StrCat("expected a mapping with at least one ", what, ", such as ", example, ", not ",
               node.is(YamlNode::Kind::kMap) ? std::string("an empty one") : Describe(node)));
  }
  for (const YamlEntry& entry : node.entries) {
    std::string error = NameError(what, entry.key);
    if (error.empty()) {
      named.push_back(&entry);
    } else {
      diagnostics.Add(entry.location, std::move(error));
    }
  }
  return named;
}

}  // namespace tiffin::config
