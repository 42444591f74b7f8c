#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/model/digest.h"
#include "common/model/model_keys.h"
#include "common/model/store.h"
#include "common/model/yaml_json.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::model {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxModelFileSize = size_t{16} << 20;
constexpr size_t kDigestLength = 64;

// `text` as a string that YAML reads back as it is.
std::string Quoted(std::string_view text) { return JsonToYamlFlow(Json(std::string(text))); }

// `value` under `key`: one line for each of an object's entries.
std::string Section(std::string_view key, const Json& value) {
  if (value.empty()) return "";
  std::string text = StrCat(key, ":\n");
  for (const auto& [entry, entry_value] : value.items()) {
    text += StrCat("  ", Quoted(entry), ": ", JsonToYamlFlow(entry_value), "\n");
  }
  return text;
}

std::string SpecsToYaml(std::string_view key, const std::vector<TensorSpec>& specs) {
  if (specs.empty()) return StrCat("    ", key, ": []\n");
  std::string text = StrCat("    ", key, ":\n");
  for (const TensorSpec& spec : specs) {
    text += StrCat("      - {name: ", Quoted(spec.name), ", type: ", Quoted(ToString(spec.type)),
                   "}\n");
  }
  return text;
}

std::string MethodsToYaml(const Signature& methods) {
  if (methods.empty()) return "methods: {}\n";
  std::string text = "methods:\n";
  for (const auto& [name, method] : methods) {
    text += StrCat("  ", Quoted(name), ":\n");
    text += SpecsToYaml("inputs", method.inputs);
    text += SpecsToYaml("outputs", method.outputs);
    text += StrCat("    batchable: ", method.batchable ? "true" : "false", "\n");
    text += StrCat("    retry_safe: ", method.retry_safe ? "true" : "false", "\n");
  }
  return text;
}

// Reads the parts of a model.yaml. `path` stands in front of every message.
class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)) {}

  absl::StatusOr<Model> Read(const Json& json) const {
    if (!json.is_object()) return Error("must be a mapping that begins with 'name: ...'");
    RETURN_IF_ERROR(CheckKeys(json, "", kModelSection));
    Model model;
    ASSIGN_OR_RETURN(model.name, Text(json, "name"));
    RETURN_IF_ERROR(Located(CheckName("model", model.name)));
    ASSIGN_OR_RETURN(model.version, Version(json));
    ASSIGN_OR_RETURN(model.backend, Text(json, "backend"));
    RETURN_IF_ERROR(Located(CheckName("backend", model.backend)));
    ASSIGN_OR_RETURN(model.created, Text(json, "created"));
    ASSIGN_OR_RETURN(model.files, Files(json));
    ASSIGN_OR_RETURN(model.methods, Methods(json));
    ASSIGN_OR_RETURN(model.options, Mapping(json, "options"));
    ASSIGN_OR_RETURN(model.labels, Labels(json));
    ASSIGN_OR_RETURN(model.metadata, Mapping(json, "metadata"));
    ASSIGN_OR_RETURN(model.example, Example(json));
    return model;
  }

 private:
  template <typename... Pieces>
  absl::Status Error(const Pieces&... pieces) const {
    return absl::InvalidArgumentError(StrCat(path_, ": ", pieces...));
  }
  absl::Status Located(const absl::Status& status) const {
    return status.ok() ? status : Error(Message(status));
  }

  absl::Status CheckKeys(const Json& object, std::string_view prefix,
                         const keys::Section& known) const {
    for (const auto& entry : object.items()) {
      std::vector<std::string> names;
      for (const keys::Key& key : known.keys) names.emplace_back(key.name);
      if (std::find(names.begin(), names.end(), entry.key()) == names.end()) {
        return Error("unknown key '", prefix, entry.key(),
                     "'; the keys are: ", absl::StrJoin(names, ", "));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Text(const Json& object, const char* key) const {
    const auto found = object.find(key);
    if (found == object.end()) return Error("'", key, "' is missing; add '", key, ": ...'");
    if (!found->is_string()) return Error("'", key, "' must be text; put it in quotes");
    return found->get<std::string>();
  }

  absl::StatusOr<int64_t> Version(const Json& json) const {
    const auto found = json.find("version");
    if (found == json.end()) return Error("'version' is missing; add 'version: 1'");
    if (!found->is_number_integer() || *found < 1 || *found > std::numeric_limits<int64_t>::max()) {
      return Error("'version' must be a positive whole number, as in 'version: 1'");
    }
    return found->get<int64_t>();
  }

  // An optional mapping.
  absl::StatusOr<Json> Mapping(const Json& json, const char* key) const {
    const auto found = json.find(key);
    if (found == json.end()) return Json::object();
    if (!found->is_object()) return Error("'", key, "' must be a mapping, as in '", key, ": {}'");
    return *found;
  }

  absl::StatusOr<std::map<std::string, std::string>> Files(const Json& json) const {
    ASSIGN_OR_RETURN(const Json entries, Mapping(json, "files"));
    std::map<std::string, std::string> files;
    for (const auto& [name, digest] : entries.items()) {
      RETURN_IF_ERROR(Located(CheckFileName(name)));
      if (!digest.is_string() || digest.get_ref<const std::string&>().size() != kDigestLength ||
          digest.get_ref<const std::string&>().find_first_not_of("0123456789abcdef") !=
              std::string::npos) {
        return Error("files: '", name,
                     "' must have its SHA-256, 64 lower-case hex digits in quotes, as "
                     "'sha256sum' prints it");
      }
      files.emplace(name, digest.get<std::string>());
    }
    return files;
  }

  absl::StatusOr<Signature> Methods(const Json& json) const {
    ASSIGN_OR_RETURN(const Json entries, Mapping(json, "methods"));
    Signature methods;
    for (const auto& [name, entry] : entries.items()) {
      RETURN_IF_ERROR(Located(CheckName("method", name)));
      const std::string prefix = StrCat("methods.", name, ".");
      if (entry.is_object()) {
        RETURN_IF_ERROR(CheckKeys(entry, prefix, kMethodSection));
        RETURN_IF_ERROR(CheckSpecKeys(entry, prefix, "inputs"));
        RETURN_IF_ERROR(CheckSpecKeys(entry, prefix, "outputs"));
      }
      absl::StatusOr<MethodSignature> method = MethodSignatureFromJson(entry);
      if (!method.ok()) return Error("methods.", name, ": ", Message(method.status()));
      methods.emplace(name, *std::move(method));
    }
    return methods;
  }

  absl::Status CheckSpecKeys(const Json& method, std::string_view prefix, const char* key) const {
    const auto specs = method.find(key);
    if (specs == method.end() || !specs->is_array()) return absl::OkStatus();  // Found later.
    for (size_t i = 0; i < specs->size(); ++i) {
      const Json& spec = (*specs)[i];
      if (!spec.is_object()) continue;
      RETURN_IF_ERROR(CheckKeys(spec, StrCat(prefix, key, "[", i, "]."), kTensorSection));
      const auto name = spec.find("name");
      if (name != spec.end() && name->is_string()) {
        RETURN_IF_ERROR(CheckTensorName(name->get_ref<const std::string&>()));
      }
    }
    return absl::OkStatus();
  }

  // Tensors keep the names that their model gave them, so more than [a-z0-9_] is allowed.
  absl::Status CheckTensorName(const std::string& name) const {
    for (const char c : name) {
      if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) {
        return Error("the tensor name '", name, "' has a space in it; use letters, digits and _");
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> Labels(const Json& json) const {
    const auto found = json.find("labels");
    std::vector<std::string> labels;
    if (found == json.end()) return labels;
    if (!found->is_array()) return Error("'labels' must be a list, as in 'labels: [\"a\", \"b\"]'");
    for (const Json& label : *found) {
      if (!label.is_string()) {
        return Error("labels[", labels.size(), "] must be text; put it in quotes");
      }
      labels.push_back(label.get<std::string>());
    }
    return labels;
  }

  absl::StatusOr<Json> Example(const Json& json) const {
    ASSIGN_OR_RETURN(Json example, Mapping(json, "example"));
    for (const auto& [method, inputs] : example.items()) {
      if (!inputs.is_object()) {
        return Error("example.", method, " must map each input to its value");
      }
    }
    return example;
  }

  std::string path_;
};

}  // namespace

std::string ModelToYaml(const Model& model) {
  std::string text;
  text += StrCat("name: ", Quoted(model.name), "\n");
  text += StrCat("version: ", model.version, "\n");
  text += StrCat("backend: ", Quoted(model.backend), "\n");
  text += StrCat("created: ", Quoted(model.created), "\n");
  text += Section("files", Json(model.files));
  text += MethodsToYaml(model.methods);
  text += Section("options", model.options);
  if (!model.labels.empty()) text += StrCat("labels: ", JsonToYamlFlow(Json(model.labels)), "\n");
  text += Section("metadata", model.metadata);
  text += Section("example", model.example);
  return text;
}

absl::StatusOr<Model> LoadModel(const std::filesystem::path& dir) {
  const std::filesystem::path path = dir / kModelFile;
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxModelFileSize));
  ASSIGN_OR_RETURN(const Json json, YamlToJson(path.string(), text));
  ASSIGN_OR_RETURN(Model model, Reader(path.string()).Read(json));
  model.dir = dir;
  model.digest = Sha256Hex(text);
  return model;
}

}  // namespace tiffin::model
