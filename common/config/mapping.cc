#include "common/config/mapping.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/config/name_hint.h"
#include "common/config/scalars.h"
#include "common/strings.h"

namespace tiffin::config {
namespace {

std::vector<std::string_view> NamesOf(const keys::Section& section) {
  std::vector<std::string_view> names;
  for (const keys::Key& key : section.keys) names.push_back(key.name);
  return names;
}

std::string Joined(const std::vector<std::string_view>& names) {
  return absl::StrJoin(std::vector<std::string>(names.begin(), names.end()), ", ");
}

}  // namespace

Mapping::Mapping(const YamlNode& node, std::string what, Location location,
                 const keys::Section& section, Diagnostics& diagnostics)
    : node_(node),
      what_(std::move(what)),
      section_(section),
      diagnostics_(diagnostics),
      valid_(node.is(YamlNode::Kind::kMap)) {
  CheckKeys();
  if (valid_) CheckMissing(location);
}

void Mapping::CheckKeys() const {
  const std::vector<std::string_view> known = NamesOf(section_);
  if (!valid_ && !node_.is(YamlNode::Kind::kBroken)) {
    diagnostics_.Add(node_.location, StrCat(what_, " must be a mapping with the keys ",
                                            Joined(known), ", not ", Describe(node_)));
  }
  for (const YamlEntry& entry : node_.entries) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    const std::string_view nearest = Nearest(entry.key, known);
    diagnostics_.Add(
        entry.location,
        StrCat("unknown key ", Quoted(entry.key), " in ", what_, "; ",
               nearest.empty() ? std::string() : StrCat("did you mean '", nearest, "'? "),
               "known here: ", Joined(known)));
  }
}

void Mapping::CheckMissing(Location location) const {
  for (const keys::Key& key : section_.keys) {
    if (key.required.empty() || Find(key.name) != nullptr) continue;
    diagnostics_.Add(location, StrCat(what_, " has no '", key.name, "'; add ", key.required));
  }
  const keys::Either* either = section_.either;
  if (either == nullptr) return;
  std::vector<std::string> written;
  std::vector<std::string> missing;
  for (const std::string_view key : either->keys()) {
    (Find(key) != nullptr ? written : missing).push_back(Quoted(key));
  }
  if (written.empty()) {
    const std::string last = missing.back();
    missing.pop_back();
    diagnostics_.Add(location, StrCat(what_, " has neither ", absl::StrJoin(missing, ", "), " nor ",
                                      last, "; ", either->if_none));
  } else if (written.size() > 1 && !either->if_both.empty()) {
    diagnostics_.Add(location, StrCat(what_, " has both ", absl::StrJoin(written, " and "), "; ",
                                      either->if_both));
  }
}

const YamlNode* Mapping::Find(std::string_view key) const {
  for (const YamlEntry& entry : node_.entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

template <typename Form>
const Form& Mapping::FormOf(std::string_view key) const {
  for (const keys::Key& known : section_.keys) {
    const Form* form = known.name == key ? std::get_if<Form>(&known.form) : nullptr;
    if (form != nullptr) return *form;
  }
  std::abort();
}

std::optional<std::string> Mapping::Text(std::string_view key) const {
  const YamlNode* node = Find(key);
  return node == nullptr ? std::nullopt : ReadText(*node, Quoted(key), diagnostics_);
}

std::optional<int64_t> Mapping::Integer(std::string_view key) const {
  const auto& form = FormOf<keys::Integer>(key);
  const YamlNode* node = Find(key);
  return node == nullptr ? std::nullopt : ReadInteger(*node, Quoted(key), form, diagnostics_);
}

std::optional<double> Mapping::Number(std::string_view key) const {
  const auto& form = FormOf<keys::Number>(key);
  const YamlNode* node = Find(key);
  return node == nullptr ? std::nullopt : ReadNumber(*node, Quoted(key), form, diagnostics_);
}

std::optional<bool> Mapping::Boolean(std::string_view key) const {
  FormOf<keys::Boolean>(key);
  const YamlNode* node = Find(key);
  return node == nullptr ? std::nullopt : ReadBoolean(*node, Quoted(key), diagnostics_);
}

std::optional<absl::Duration> Mapping::Duration(std::string_view key) const {
  FormOf<keys::Duration>(key);
  const YamlNode* node = Find(key);
  return node == nullptr ? std::nullopt : ReadDuration(*node, Quoted(key), diagnostics_);
}

std::optional<uint64_t> Mapping::Bytes(std::string_view key) const {
  const auto& form = FormOf<keys::Bytes>(key);
  const YamlNode* node = Find(key);
  return node == nullptr ? std::nullopt : ReadBytes(*node, Quoted(key), form, diagnostics_);
}

std::optional<std::string> Mapping::Choice(std::string_view key) const {
  const auto& form = FormOf<keys::Choice>(key);
  const YamlNode* node = Find(key);
  return node == nullptr ? std::nullopt : ReadChoice(*node, Quoted(key), form, diagnostics_);
}

std::vector<const YamlEntry*> Mapping::Named(std::string_view key) const {
  const auto& form = FormOf<keys::Named>(key);
  std::vector<const YamlEntry*> named;
  const YamlNode* node = Find(key);
  if (node == nullptr || node->is(YamlNode::Kind::kBroken)) return named;
  if (node->entries.empty()) {
    diagnostics_.Add(
        node->location,
        StrCat("expected a mapping with at least one ", form.noun, ", such as ", form.example,
               ", not ",
               node->is(YamlNode::Kind::kMap) ? std::string("an empty one") : Describe(*node)));
  }
  for (const YamlEntry& entry : node->entries) {
    std::string error = NameError(form.noun, entry.key);
    if (error.empty()) {
      named.push_back(&entry);
    } else {
      diagnostics_.Add(entry.location, std::move(error));
    }
  }
  return named;
}

}  // namespace tiffin::config
