#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/keys/key.h"
#include "nlohmann/json_fwd.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace tiffin::keys {

// A line of the reference.
struct Row {
  std::string name;
  std::string value;     // What it may be.
  std::string fallback;  // What holds without it; empty: nothing to say.
  std::string meaning;
  bool is_required = false;
};

// The rows of a mapping's keys. `path` is where they stand: "runners.NAME"; empty for the top.
struct Table {
  std::string path;
  std::vector<Row> rows;
  std::string either;  // Which of them has to be written; empty: nothing to say.
};

// That of `section`, and behind it those of the sections in it.
std::vector<Table> TablesOf(const Section& section);
std::vector<Row> RowsOf(std::span<const Key> keys);

// The arguments and flags of a command, without --help.
std::vector<Row> FlagRows(const CLI::App& command);
// What is to be said of an option beyond its description and its default: "or $TIFFIN_STORE".
std::vector<std::string> NotesOf(const CLI::Option& option);

void to_json(nlohmann::ordered_json& json, const Row& row);
// Of what to_json made: throws nlohmann's exceptions for anything else.
void from_json(const nlohmann::ordered_json& json, Row& row);

}  // namespace tiffin::keys
