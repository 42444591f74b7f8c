#include "common/keys/rows.h"

#include "CLI/CLI.hpp"
#include "absl/strings/str_join.h"
#include "common/keys/wanted.h"
#include "common/strings.h"
#include "nlohmann/json.hpp"

namespace tiffin::keys {
namespace {

void AddTables(const Section& section, const std::string& path, std::vector<Table>& tables);

void AddNested(const Key& key, const std::string& path, std::vector<Table>& tables) {
  const std::string here = StrCat(path, path.empty() ? "" : ".", key.name);
  if (const auto* nested = std::get_if<Nested>(&key.form)) {
    AddTables(*nested->section, here, tables);
  } else if (const auto* named = std::get_if<Named>(&key.form); named && named->section) {
    AddTables(*named->section, StrCat(here, ".NAME"), tables);
  } else if (const auto* list = std::get_if<List>(&key.form)) {
    const auto* item = std::get_if<const Section*>(&list->item);
    if (item != nullptr) AddTables(**item, StrCat(here, "[]"), tables);
  }
}

std::string EitherText(const Either* either) {
  if (either == nullptr) return "";
  std::string before;
  std::vector<std::string_view> keys = either->keys();
  const std::string_view last = keys.back();
  keys.pop_back();
  for (const std::string_view key : keys) before += StrCat(before.empty() ? "" : "`, `", key);
  return StrCat("One of `", before, "` and `", last, "` must be there",
                either->if_both.empty() ? "."
                : either->third.empty() ? ", and not both."
                                        : ", and no two of them.");
}

void AddTables(const Section& section, const std::string& path, std::vector<Table>& tables) {
  tables.push_back({path, RowsOf(section.keys), EitherText(section.either)});
  for (const Key& key : section.keys) AddNested(key, path, tables);
}

// "INT in [1 - 64]", of what CLI11 calls "INT:INT in [1 - 64]".
std::string ValueOf(const CLI::Option& option) {
  if (option.get_type_size() == 0) return "";
  const std::string type = option.get_type_name();
  const size_t colon = type.find(':');
  return colon == type.npos ? type : type.substr(colon + 1);
}

}  // namespace

std::vector<Table> TablesOf(const Section& section) {
  std::vector<Table> tables;
  AddTables(section, "", tables);
  return tables;
}

std::vector<Row> RowsOf(std::span<const Key> keys) {
  std::vector<Row> rows;
  for (const Key& key : keys) {
    rows.push_back({.name = std::string(key.name),
                    .value = Wanted(key.form),
                    .fallback = FallbackText(key),
                    .meaning = std::string(key.meaning),
                    .is_required = !key.required.empty()});
  }
  return rows;
}

std::vector<std::string> NotesOf(const CLI::Option& option) {
  std::vector<std::string> notes;
  if (!option.get_envname().empty()) notes.push_back(StrCat("or $", option.get_envname()));
  for (const CLI::Option* other : option.get_excludes()) {
    notes.push_back(StrCat("not with ", other->get_name()));
  }
  return notes;
}

std::vector<Row> FlagRows(const CLI::App& command) {
  std::vector<Row> rows;
  for (const CLI::Option* option : command.get_options()) {
    if (option == command.get_help_ptr()) continue;
    const std::vector<std::string> notes = NotesOf(*option);
    std::string meaning = option->get_description();
    if (!notes.empty()) meaning += StrCat(" (", absl::StrJoin(notes, "; "), ")");
    rows.push_back({.name = option->get_positional() ? option->get_name(true) : option->get_name(),
                    .value = ValueOf(*option),
                    .fallback = option->get_default_str(),
                    .meaning = std::move(meaning),
                    .is_required = option->get_required()});
  }
  return rows;
}

void to_json(nlohmann::ordered_json& json, const Row& row) {
  json = {{"name", row.name},
          {"value", row.value},
          {"fallback", row.fallback},
          {"meaning", row.meaning},
          {"is_required", row.is_required}};
}

void from_json(const nlohmann::ordered_json& json, Row& row) {
  row = {.name = json.at("name"),
         .value = json.at("value"),
         .fallback = json.at("fallback"),
         .meaning = json.at("meaning"),
         .is_required = json.at("is_required")};
}

}  // namespace tiffin::keys
