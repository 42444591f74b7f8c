#pragma once

#include <span>
#include <string>
#include <string_view>

#include "common/config/diagnostics.h"
#include "common/config/yaml_reader.h"

namespace tiffin::config {

// A mapping with fixed keys. Lives no longer than its node.
class Mapping {
 public:
  // Reports what is no mapping, and every key that is not in `known`. `what` is such as "runner
  // 'a'"; `location` is for what is missing from it.
  Mapping(const YamlNode& node, std::string what, Location location,
          std::span<const std::string_view> known, Diagnostics& diagnostics);

  // nullptr where the key is not written.
  const YamlNode* Find(std::string_view key) const;
  // As Find; a missing key is reported, with `example` as the fix.
  const YamlNode* Require(std::string_view key, std::string_view example);
  // False: what stands there is no mapping, and has no keys.
  bool valid() const { return valid_; }

 private:
  const YamlNode& node_;
  std::string what_;
  Location location_;
  Diagnostics& diagnostics_;
  bool valid_ = false;
};

// The entries of a mapping from names to things of the kind `what` ("step"): each name checked,
// those that are none left out. Reports what is no mapping, and an empty one; `example` is the fix.
std::vector<const YamlEntry*> ReadNamed(const YamlNode& node, std::string_view what,
                                        std::string_view example, Diagnostics& diagnostics);

}  // namespace tiffin::config
