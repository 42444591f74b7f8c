#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "common/config/diagnostics.h"
#include "common/config/yaml_reader.h"
#include "common/keys/key.h"

namespace tiffin::config {

// A mapping with the keys of a section, whose table says what may stand at each. Lives no longer
// than its node.
class Mapping {
 public:
  // Reports what is no mapping, every key that is not in `section`, and those that are missing.
  // `what` is such as "runner 'a'"; `location` is for what is missing from it.
  Mapping(const YamlNode& node, std::string what, Location location, const keys::Section& section,
          Diagnostics& diagnostics);

  // nullptr where the key is not written.
  const YamlNode* Find(std::string_view key) const;
  // False: what stands there is no mapping, and has no keys.
  bool valid() const { return valid_; }

  // What stands at a key of that form. nullopt where it is not written, or where it is wrong, which
  // has been reported.
  std::optional<std::string> Text(std::string_view key) const;
  std::optional<int64_t> Integer(std::string_view key) const;
  std::optional<double> Number(std::string_view key) const;
  std::optional<bool> Boolean(std::string_view key) const;
  std::optional<absl::Duration> Duration(std::string_view key) const;
  std::optional<uint64_t> Bytes(std::string_view key) const;
  std::optional<std::string> Choice(std::string_view key) const;
  // The entries of a mapping from names, each name checked, those that are none left out. Reports
  // what is no mapping, and an empty one.
  std::vector<const YamlEntry*> Named(std::string_view key) const;

 private:
  void CheckKeys() const;
  void CheckMissing(Location location) const;
  // What the table says of a key, which must be there and of that form.
  template <typename Form>
  const Form& FormOf(std::string_view key) const;

  const YamlNode& node_;
  std::string what_;
  const keys::Section& section_;
  Diagnostics& diagnostics_;
  bool valid_ = false;
};

}  // namespace tiffin::config
