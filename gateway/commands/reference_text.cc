#include "gateway/commands/reference_text.h"

#include <string_view>
#include <utility>

#include "absl/strings/str_replace.h"
#include "common/config/service.h"
#include "common/config/service_keys.h"
#include "common/environment.h"
#include "common/keys/schema.h"
#include "common/model/model_keys.h"
#include "common/security/token_file.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kIntroduction =
    R"(# Configuration

Every key, option, flag and environment variable, as `tiffin reference` prints them: made from what reads
them. Don't edit this file; `tiffin reference >deploy/reference/configuration.md` writes it.
[service.schema.json](service.schema.json) (`tiffin reference --schema`) is the same of service files for
editors that know the YAML language server: keys are completed, explained and checked while you write. A
service file names it in its first line:

```yaml
# yaml-language-server: $schema=../../reference/service.schema.json
```

The schema looks at one value at a time. Only `tiffin check` sees

- names that are not known (runners, functions, steps, inputs, outputs, methods, models, backends), are there
  twice, or clash; keys that are there twice; cycles, and steps that nothing uses;
- types, shapes and rows that don't fit, and how many arguments a call has; what is wrong inside a call's
  brackets;
- durations and sizes that are out of their range, whole numbers that are written as `1.0`, shapes with more
  elements than there can be;
- what one option says of another, the options of a model's backend, and whether a device is there.
)";

// A cell of a table.
std::string Cell(std::string_view text) {
  return absl::StrReplaceAll(ToAbsl(text), {{"|", "\\|"}, {"\n", " "}});
}

std::string Line(std::string_view first, std::string_view second, std::string_view third,
                 std::string_view fourth) {
  return StrCat("| ", first, " | ", Cell(second), " | ", Cell(third), " | ", Cell(fourth), " |\n");
}

std::string TableText(std::string_view kind, const std::vector<keys::Row>& rows) {
  std::string text = StrCat("\n| ", kind, " | Value | Default | Meaning |\n|---|---|---|---|\n");
  for (const keys::Row& row : rows) {
    text += Line(StrCat("`", row.name, "`"), row.value,
                 row.is_required ? "(must be there)" : row.fallback, row.meaning);
  }
  return text;
}

std::string SectionText(const keys::Section& section) {
  std::string text;
  for (const keys::Table& table : keys::TablesOf(section)) {
    if (!table.path.empty()) text += StrCat("\n### `", table.path, "`\n");
    text += TableText("Key", table.rows);
    if (table.either.empty()) continue;
    text += StrCat("\n", table.either, "\n");
  }
  return text;
}

std::string OptionsText(const std::vector<keys::WorkerReference>& workers) {
  std::string text =
      "\n## Options of backends\n\nIn a service file below `runners.NAME.options`, in model.yaml "
      "below `options`.\n";
  for (const keys::WorkerReference& worker : workers) {
    text += StrCat("\n### `", worker.backend, "`\n");
    if (worker.backend == config::kPythonBackend) {
      text += "\nThey are what the `load` of the runner's class gets.\n";
      continue;
    }
    text += worker.options.empty() ? "\nIt has no options.\n" : TableText("Option", worker.options);
  }
  return text;
}

std::string CommandsText(const std::vector<CommandReference>& commands) {
  std::string text = "\n## Commands\n";
  for (const CommandReference& command : commands) {
    text += StrCat("\n### `", command.name, "`\n\n", command.description, "\n");
    if (!command.flags.empty()) text += TableText("Flag", command.flags);
  }
  return text;
}

// All workers have the same, for their command line is the runtime's.
std::string WorkersText(const std::vector<keys::WorkerReference>& workers) {
  if (workers.empty()) return "";
  return StrCat(
      "\n## Workers\n\nThe flags of every `tiffin-worker-BACKEND`. `tiffin serve` gives "
      "them to the workers that it starts.\n",
      TableText("Flag", workers.front().flags));
}

std::string EnvironmentText() {
  std::string text = "\n## Environment\n\n| Variable | Meaning | Without it |\n|---|---|---|\n";
  for (const environment::Variable& variable : environment::All()) {
    text += StrCat("| `", variable.name, "` | ", Cell(variable.meaning), " | ",
                   Cell(variable.otherwise), " |\n");
  }
  return text;
}

}  // namespace

std::string ReferenceMarkdown(const std::vector<CommandReference>& commands,
                              const std::vector<keys::WorkerReference>& workers) {
  return StrCat(kIntroduction, "\n## Service files\n", SectionText(config::kServiceSection),
                OptionsText(workers), "\n## model.yaml\n", SectionText(model::kModelSection),
                "\n## The file of tokens\n\nA list; of each of its entries:\n",
                SectionText(security::kTokenSection), CommandsText(commands), WorkersText(workers),
                EnvironmentText());
}

Json ServiceSchema(const std::vector<keys::WorkerReference>& workers) {
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"$comment", "Made by 'tiffin reference --schema'; don't edit it"},
                 {"title", "A service file of Tiffin"}};
  schema.update(keys::SchemaOf(config::kServiceSection));
  Json options = Json::array();
  for (const keys::WorkerReference& worker : workers) {
    if (worker.backend == config::kPythonBackend) continue;  // Its options are the user's own.
    options.push_back({{"if",
                        {{"properties", {{"backend", {{"const", worker.backend}}}}},
                         {"required", Json::array({"backend"})}}},
                       {"then", {{"properties", {{"options", worker.schema}}}}}});
  }
  if (!options.empty()) {
    schema["properties"]["runners"]["additionalProperties"]["allOf"] = std::move(options);
  }
  return schema;
}

}  // namespace tiffin::gateway
