#include "gateway/commands/models_text.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_join.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

using Json = nlohmann::json;
using Row = std::array<std::string, 5>;

constexpr size_t kLabelWidth = 10;

std::string SpecsText(const std::vector<TensorSpec>& specs) {
  return absl::StrJoin(specs, ", ", [](std::string* out, const TensorSpec& spec) {
    out->append(StrCat(spec.name, ": ", ToString(spec.type)));
  });
}

// One line of ModelText.
std::string Line(std::string_view label, std::string_view text) {
  std::string padded(label);
  padded.resize(std::max(kLabelWidth, label.size() + 1), ' ');
  return StrCat("  ", padded, text, "\n");
}

std::string Dump(const Json& json) {
  return json.dump(/*indent=*/-1, /*indent_char=*/' ', /*ensure_ascii=*/false,
                   Json::error_handler_t::replace);
}

// Text from a model as it is, or in quotes and escaped where it would command the terminal.
std::string Shown(const std::string& text) {
  const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= ' ' && c != 0x7f;
  });
  return is_plain ? text : Dump(Json(text));
}

std::string PairLines(std::string_view label, const Json& object) {
  std::string text;
  for (const auto& [key, value] : object.items()) {
    text += Line(text.empty() ? label : "", StrCat(Shown(key), " = ", Dump(value)));
  }
  return text;
}

}  // namespace

std::string MethodText(std::string_view name, const MethodSignature& method) {
  return StrCat(name, "(", SpecsText(method.inputs), ") -> (", SpecsText(method.outputs), ")");
}

std::string ModelTable(const std::vector<model::Model>& models) {
  std::vector<Row> rows = {{"NAME", "VERSION", "BACKEND", "CREATED", "METHODS"}};
  for (const model::Model& model : models) {
    const std::string methods =
        absl::StrJoin(model.methods, "; ", [](std::string* out, const auto& entry) {
          out->append(MethodText(entry.first, entry.second));
        });
    rows.push_back(
        {model.name, std::to_string(model.version), model.backend, Shown(model.created), methods});
  }
  std::array<size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (Row& row : rows) {
    for (size_t i = 0; i + 1 < row.size(); ++i) {
      row[i].resize(widths[i], ' ');
      text += StrCat(row[i], "  ");
    }
    text += StrCat(row.back(), "\n");
  }
  return text;
}

std::string ModelText(const model::Model& model) {
  std::string text = StrCat(model.name, ":", model.version, "\n");
  text += Line("backend", model.backend);
  text += Line("created", Shown(model.created));
  text += Line("folder", model.dir.string());
  text += Line("digest", StrCat("sha256:", model.digest));
  for (const auto& [name, digest] : model.files) {
    text += Line("file", StrCat(name, " sha256:", digest));
  }
  for (const auto& [name, method] : model.methods) {
    text += Line("method", StrCat(MethodText(name, method),
                                  method.batchable ? ", batchable" : ", not batchable",
                                  method.retry_safe ? "" : ", not safe to retry"));
  }
  if (!model.labels.empty()) text += Line("labels", Dump(Json(model.labels)));
  text += PairLines("options", model.options);
  text += PairLines("metadata", model.metadata);
  for (const auto& [method, inputs] : model.example.items()) {
    std::vector<std::string> names;
    for (const auto& input : inputs.items()) names.push_back(Shown(input.key()));
    text += Line("example", StrCat(Shown(method), "(", absl::StrJoin(names, ", "), ")"));
  }
  return text;
}

Json ModelJson(const model::Model& model) {
  Json methods = Json::object();
  for (const auto& [name, method] : model.methods) methods[name] = method;
  return {{"name", model.name},       {"version", model.version},  {"backend", model.backend},
          {"created", model.created}, {"files", model.files},      {"methods", methods},
          {"options", model.options}, {"labels", model.labels},    {"metadata", model.metadata},
          {"example", model.example}, {"dir", model.dir.string()}, {"digest", model.digest}};
}

}  // namespace tiffin::gateway
