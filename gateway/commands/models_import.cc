#include "gateway/commands/models_import.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/model/file.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/describe_worker.h"
#include "gateway/commands/progress.h"
#include "gateway/commands/worker_program.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr size_t kMaxExampleSize = size_t{16} << 20;

absl::StatusOr<std::string> BackendOf(const ImportOptions& options) {
  if (!options.backend.empty()) return options.backend;
  static const std::map<std::string, std::string> kByEnding = {{".json", "xgboost"},
                                                               {".ubj", "xgboost"},
                                                               {".pt", "torch"},
                                                               {".pth", "torch"},
                                                               {".ts", "torch"}};
  std::set<std::string> backends;
  for (const fs::path& file : options.files) {
    const auto found = kByEnding.find(ToLower(file.extension().string()));
    if (found != kByEnding.end()) backends.insert(found->second);
  }
  if (backends.size() == 1) return *backends.begin();
  return absl::InvalidArgumentError(StrCat(backends.empty()
                                               ? "the files' endings don't tell the backend"
                                               : "the files' endings tell of two backends",
                                           "; name it, as in '--backend torch'"));
}

// "features:fp32[64]"
absl::StatusOr<TensorSpec> ParseSpec(std::string_view flag, const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == 0 || colon == std::string::npos) {
    return absl::InvalidArgumentError(
        StrCat(flag, " ", text, ": write name:type, as in '", flag, " features:fp32[64]'"));
  }
  absl::StatusOr<ValueType> type = ParseValueType(std::string_view(text).substr(colon + 1));
  if (!type.ok()) {
    return absl::InvalidArgumentError(StrCat(flag, " ", text, ": ", Message(type.status())));
  }
  return TensorSpec{text.substr(0, colon), *std::move(type)};
}

absl::StatusOr<std::vector<TensorSpec>> ParseSpecs(std::string_view flag,
                                                   const std::vector<std::string>& texts) {
  std::vector<TensorSpec> specs;
  std::set<std::string> names;
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(TensorSpec spec, ParseSpec(flag, text));
    if (!names.insert(spec.name).second) {
      return absl::InvalidArgumentError(
          StrCat(flag, " ", text, ": '", spec.name, "' is there twice; leave one out"));
    }
    specs.push_back(std::move(spec));
  }
  return specs;
}

// "accuracy=0.97": JSON where it is that, else text.
absl::StatusOr<Json> ParsePairs(std::string_view flag, const std::vector<std::string>& texts) {
  Json pairs = Json::object();
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return absl::InvalidArgumentError(StrCat(flag, " ", text, ": write key=value"));
    }
    const std::string key = text.substr(0, equals);
    const std::string value = text.substr(equals + 1);
    if (pairs.contains(key)) {
      return absl::InvalidArgumentError(
          StrCat(flag, " ", text, ": '", key, "' is there twice; leave one out"));
    }
    Json parsed = Json::parse(value, /*cb=*/nullptr, /*allow_exceptions=*/false);
    pairs[key] = parsed.is_discarded() ? Json(value) : std::move(parsed);
  }
  return pairs;
}

// What model.yaml keeps under `example`.
absl::StatusOr<Json> ParseExample(const std::string& argument) {
  if (argument.empty()) return Json::object();
  std::string text = argument;
  if (argument[0] == '@') {
    std::error_code code;
    const fs::path file = fs::canonical(argument.substr(1), code);
    if (code) {
      return absl::InvalidArgumentError(
          StrCat("--example ", argument, ": there is no such file; name one after the '@'"));
    }
    ASSIGN_OR_RETURN(text, model::ReadFile(file, kMaxExampleSize));
  }
  Json example = Json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!example.is_object()) {
    return absl::InvalidArgumentError(
        "--example must be a JSON object from input to one row, as in "
        "'{\"features\": [0.5, 1]}'");
  }
  return Json{{std::string(kDefaultMethod), std::move(example)}};
}

// The description before the worker has completed it.
absl::StatusOr<model::Model> Declared(const ImportOptions& options) {
  model::Model model;
  RETURN_IF_ERROR(model::CheckName("model", options.name));
  model.name = options.name;
  model.version = 1;  // Until it is published.
  ASSIGN_OR_RETURN(model.backend, BackendOf(options));
  RETURN_IF_ERROR(model::CheckName("backend", model.backend));
  MethodSignature run;
  ASSIGN_OR_RETURN(run.inputs, ParseSpecs("--input", options.inputs));
  ASSIGN_OR_RETURN(run.outputs, ParseSpecs("--output", options.outputs));
  run.batchable = !options.not_batchable;
  if (!run.inputs.empty() || !run.outputs.empty() || options.not_batchable) {
    model.methods.emplace(kDefaultMethod, std::move(run));
  }
  model.labels = options.labels;
  ASSIGN_OR_RETURN(model.metadata, ParsePairs("--metadata", options.metadata));
  ASSIGN_OR_RETURN(model.options, ParsePairs("--option", options.options));
  ASSIGN_OR_RETURN(model.example, ParseExample(options.example));
  return model;
}

absl::Status CopyFiles(const std::vector<fs::path>& files, const fs::path& dir) {
  for (const fs::path& file : files) {
    const std::string name = file.filename().string();
    RETURN_IF_ERROR(model::CheckFileName(name));
    std::error_code code;
    if (!fs::is_regular_file(file, code)) {
      return absl::InvalidArgumentError(
          StrCat(file.string(), ": is not a file; name the model's files"));
    }
    if (fs::exists(dir / name, code)) {
      return absl::InvalidArgumentError(
          StrCat(file.string(), ": there are two files '", name, "'; rename one of them"));
    }
    RETURN_IF_ERROR(model::CopyFile(file, dir / name));
  }
  return absl::OkStatus();
}

enum class ImportPhase { kCopy, kDigest, kLoad };

uint64_t SizeOf(const fs::path& file) {
  std::error_code code;
  const uint64_t size = fs::file_size(file, code);
  return code ? 0 : size;
}

// What an import that takes long is at. `dir` is where the files go.
std::string PhaseText(ImportPhase phase, const ImportOptions& options, const fs::path& dir) {
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  if (phase == ImportPhase::kDigest) return "computing the files' digests ...";
  if (phase == ImportPhase::kLoad) return "loading the model, and running its example ...";
  uint64_t copied = 0;
  uint64_t all = 0;
  for (const fs::path& file : options.files) {
    copied += SizeOf(dir / file.filename());
    all += SizeOf(file);
  }
  return StrCat("copying: ", copied / kMiB, " of ", all / kMiB, " MiB ...");
}

// Checks what the worker says of the model that it was given.
absl::Status CheckDescription(const WorkerDescription& description, const model::Model& model) {
  if (description.backend != model.backend) {
    return absl::InternalError(StrCat("the worker of backend '", model.backend, "' calls itself '",
                                      description.backend, "'"));
  }
  if (description.methods.empty()) {
    return absl::InternalError(
        StrCat("the worker of backend '", model.backend, "' names no method"));
  }
  for (const auto& [name, method] : description.methods) {
    if (method.inputs.empty() || method.outputs.empty()) {
      const bool input = method.inputs.empty();
      return absl::InvalidArgumentError(
          StrCat("method '", name, "': the model's file does not tell its ",
                 input ? "inputs" : "outputs", "; give them, as in '",
                 input ? "--input features:fp32[64]" : "--output scores:fp32[10]", "'"));
    }
  }
  for (const auto& [method, inputs] : model.example.items()) {
    const auto described = description.methods.find(method);
    if (described == description.methods.end()) {
      return absl::InvalidArgumentError(StrCat("--example: there is no method '", method, "'"));
    }
    std::set<std::string> missing;
    for (const TensorSpec& spec : described->second.inputs) missing.insert(spec.name);
    for (const auto& entry : inputs.items()) {
      if (missing.erase(entry.key()) == 0) {
        return absl::InvalidArgumentError(
            StrCat("--example: the model has no input '", entry.key(), "'; remove it"));
      }
    }
    if (!missing.empty()) {
      return absl::InvalidArgumentError(
          StrCat("--example: no value for ", absl::StrJoin(missing, ", "), "; add it"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<model::Model> ImportModel(const ImportOptions& options) {
  ASSIGN_OR_RETURN(model::Model model, Declared(options));
  ASSIGN_OR_RETURN(const fs::path program,
                   FindWorkerProgram(model.backend, WorkerFolders(options.worker_dirs)));

  const model::Store store(options.store);
  ASSIGN_OR_RETURN(model::StagedFolder staged, store.Stage());
  std::atomic<ImportPhase> phase = ImportPhase::kCopy;
  const Progress progress([&, dir = staged.path()] { return PhaseText(phase, options, dir); });
  RETURN_IF_ERROR(CopyFiles(options.files, staged.path()));
  phase = ImportPhase::kDigest;
  ASSIGN_OR_RETURN(model, model::WriteModel(staged.path(), std::move(model)));

  phase = ImportPhase::kLoad;
  ASSIGN_OR_RETURN(WorkerDescription description,
                   DescribeWorker(program, {"--model", staged.path().string(), "--describe"}));
  RETURN_IF_ERROR(CheckDescription(description, model));
  model.methods = std::move(description.methods);
  return store.Publish(std::move(staged), std::move(model));
}

}  // namespace tiffin::gateway
