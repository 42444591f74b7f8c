#include "common/config/service.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "common/config/expression.h"
#include "common/config/input_type.h"
#include "common/config/mapping.h"
#include "common/config/name_hint.h"
#include "common/config/scalars.h"
#include "common/config/service_keys.h"
#include "common/config/yaml_reader.h"
#include "common/config/yaml_source.h"
#include "common/keys/fits.h"
#include "common/strings.h"

namespace tiffin::config {
namespace {

constexpr size_t kMaxFileSize = 1 << 20;
// What says how workers are started.
constexpr std::array<std::string_view, 6> kOfOwnWorkers = {"environment", "options", "replicas",
                                                           "resources",   "device",  "batching"};

class ServiceReader {
 public:
  explicit ServiceReader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  void Read(const YamlNode& root, ServiceConfig& service);

 private:
  RunnerConfig Runner(const YamlEntry& entry);
  std::string Model(const YamlNode& node);
  void ReadPython(const Mapping& mapping, RunnerConfig& runner);
  void ReadEndpoints(const Mapping& mapping, RunnerConfig& runner);
  BatchingConfig Batching(const YamlNode& node);
  ApiConfig Api(const YamlEntry& entry);
  InputConfig Input(const YamlEntry& entry);
  StepConfig Step(const YamlEntry& entry);
  CallExpression Call(const YamlNode& node, std::string_view step);
  void CheckMonitorFiles(const ServiceConfig& service);

  Diagnostics& diagnostics_;
};

void ServiceReader::Read(const YamlNode& root, ServiceConfig& service) {
  const Mapping mapping(root, "a service file", {1, 1}, kServiceSection, diagnostics_);
  if (const YamlNode* name = mapping.Find("service")) {
    service.name_location = name->location;
    service.name = mapping.Text("service").value_or("");
    std::string error = service.name.empty() ? "" : NameError("service", service.name);
    if (!error.empty()) diagnostics_.Add(name->location, std::move(error));
  }
  for (const YamlEntry* entry : mapping.Named("runners")) {
    service.runners.push_back(Runner(*entry));
  }
  for (const YamlEntry* entry : mapping.Named("apis")) {
    service.apis.push_back(Api(*entry));
    if (const RunnerConfig* runner = service.FindRunner(entry->key)) {
      diagnostics_.Add(entry->location,
                       StrCat("api '", entry->key, "' has the name of the runner on line ",
                              runner->location.line, ", and clients see both as '", service.name,
                              ".", entry->key, "'; rename one of them"));
    }
  }
  CheckMonitorFiles(service);
}

// Two writers of one file would cut each other's lines off when it is rotated.
void ServiceReader::CheckMonitorFiles(const ServiceConfig& service) {
  std::map<std::string_view, std::string_view> writers;
  for (const ApiConfig& api : service.apis) {
    if (!api.monitor.has_value() || api.monitor->file.empty()) continue;
    const auto [writer, is_first] = writers.emplace(api.monitor->file, api.name);
    if (is_first) continue;
    diagnostics_.Add(api.monitor->file_location,
                     StrCat("the file ", Quoted(api.monitor->file), " is that of api '",
                            writer->second, "' too; name another one"));
  }
}

RunnerConfig ServiceReader::Runner(const YamlEntry& entry) {
  RunnerConfig runner;
  runner.name = entry.key;
  runner.location = entry.location;
  const Mapping mapping(entry.value, StrCat("runner '", entry.key, "'"), entry.location,
                        kRunnerSection, diagnostics_);
  const YamlNode* model = mapping.Find("model");
  const YamlNode* backend = mapping.Find("backend");
  if (model != nullptr) {
    runner.model_location = model->location;
    runner.model = Model(*model);
  } else if (backend != nullptr) {
    runner.model_location = backend->location;
    runner.backend = mapping.Text("backend").value_or("");
    std::string error = runner.backend.empty() ? "" : NameError("backend", runner.backend);
    if (!error.empty()) diagnostics_.Add(backend->location, std::move(error));
    if (runner.backend == kPythonBackend) {
      diagnostics_.Add(backend->location, StrCat("code of yours is no backend; write python: ",
                                                 "\"FILE.py:CLASS\" instead of backend: python"));
    }
  }
  ReadPython(mapping, runner);
  ReadEndpoints(mapping, runner);
  if (const YamlNode* options = mapping.Find("options")) {
    if (options->is(YamlNode::Kind::kMap)) {
      runner.options = ReadJson(*options, diagnostics_);
    } else if (!options->is(YamlNode::Kind::kBroken)) {
      diagnostics_.Add(options->location, StrCat("'options' must be a mapping such as {size: 8}, "
                                                 "not ",
                                                 Describe(*options)));
    }
  }
  if (const auto count = mapping.Integer("replicas")) runner.replicas = static_cast<int>(*count);
  if (const YamlNode* node = mapping.Find("queue")) {
    const Mapping queue(*node, "'queue'", node->location, kQueueSection, diagnostics_);
    runner.queue_max = static_cast<int>(queue.Integer("max").value_or(runner.queue_max));
  }
  if (const YamlNode* node = mapping.Find("resources")) {
    runner.resources = ReadResources(*node, diagnostics_);
  }
  if (const YamlNode* node = mapping.Find("device")) {
    runner.device = ReadDevice(*node, diagnostics_);
  }
  if (const YamlNode* node = mapping.Find("batching")) runner.batching = Batching(*node);
  return runner;
}

void ServiceReader::ReadPython(const Mapping& mapping, RunnerConfig& runner) {
  const YamlNode* node = mapping.Find("python");
  const YamlNode* environment = mapping.Find("environment");
  if (node == nullptr) {
    if (environment != nullptr && mapping.Find("endpoints") == nullptr) {
      diagnostics_.Add(environment->location,
                       "'environment' is for code of yours only; remove it, or write python");
    }
    return;
  }
  const std::string text = mapping.Text("python").value_or("");
  if (text.empty()) return;
  if (!keys::Fits(text, kPythonText)) {
    diagnostics_.Add(node->location,
                     StrCat("'python' must be ", kPythonText.wanted, ", not ", Quoted(text)));
    return;
  }
  const size_t colon = text.rfind(':');
  runner.python = PythonConfig{.file = text.substr(0, colon),
                               .class_name = text.substr(colon + 1),
                               .environment = mapping.Text("environment").value_or("")};
  // A runner that has another one too was reported, and is that one.
  if (runner.model_location.line == 0) runner.model_location = node->location;
  if (runner.model.empty() && runner.backend.empty()) runner.backend = kPythonBackend;
}

void ServiceReader::ReadEndpoints(const Mapping& mapping, RunnerConfig& runner) {
  const YamlNode* node = mapping.Find("endpoints");
  if (node == nullptr) return;
  if (runner.model_location.line == 0) runner.model_location = node->location;
  for (const std::string_view key : kOfOwnWorkers) {
    const YamlNode* other = mapping.Find(key);
    if (other == nullptr) continue;
    diagnostics_.Add(other->location,
                     StrCat("'", key,
                            "' is for workers that the gateway starts; remove it: who "
                            "starts the workers at 'endpoints' says it there"));
  }
  if (!node->is(YamlNode::Kind::kSequence) || node->items.empty()) {
    if (node->is(YamlNode::Kind::kBroken)) return;
    diagnostics_.Add(node->location, StrCat("'endpoints' must be a list of addresses such as "
                                            "[\"dns:///model-a:9000\"], not ",
                                            node->is(YamlNode::Kind::kSequence) ? "an empty one"
                                                                                : Describe(*node)));
    return;
  }
  for (const YamlNode& item : node->items) {
    const std::optional<std::string> text = ReadText(item, "an endpoint", diagnostics_);
    if (!text.has_value()) continue;
    absl::StatusOr<Endpoint> endpoint = ParseEndpoint(*text);
    if (!endpoint.ok()) {
      diagnostics_.Add(item.location, std::string(Message(endpoint.status())));
    } else if (std::find(runner.endpoints.begin(), runner.endpoints.end(), *endpoint) !=
               runner.endpoints.end()) {
      diagnostics_.Add(item.location,
                       StrCat("the endpoint ", Quoted(*text), " is there already; remove one"));
    } else {
      runner.endpoints.push_back(*std::move(endpoint));
    }
  }
}

// "name:3" or "name:latest"; empty, and reported, if it is neither.
std::string ServiceReader::Model(const YamlNode& node) {
  std::string text = ReadText(node, "'model'", diagnostics_).value_or("");
  if (text.empty()) return text;
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  if (std::string error = NameError("model", name); !error.empty()) {
    diagnostics_.Add(node.location, std::move(error));
    return "";
  }
  int64_t version = 0;
  const std::string wanted = colon == text.npos ? "" : text.substr(colon + 1);
  const bool is_number = wanted.find_first_not_of("0123456789") == wanted.npos &&
                         absl::SimpleAtoi(wanted, &version) && version > 0;
  if (wanted == "latest" || is_number) return text;
  diagnostics_.Add(node.location, StrCat("model ", Quoted(text), " names no version; write \"",
                                         name, ":latest\", or a number such as \"", name, ":1\""));
  return "";
}

BatchingConfig ServiceReader::Batching(const YamlNode& node) {
  BatchingConfig batching;
  if (node.is(YamlNode::Kind::kScalar)) {
    if (node.text != kBatchingOffText.wanted) {
      diagnostics_.Add(node.location, StrCat("'batching' must be off, or a mapping such as "
                                             "{max_batch_size: 32, max_delay: 2ms}, not ",
                                             Describe(node)));
    }
    batching.policy = BatchingPolicy::kOff;
    return batching;
  }
  const Mapping mapping(node, "'batching'", node.location, kBatchingSection, diagnostics_);
  batching.max_batch_size = mapping.Integer("max_batch_size").value_or(batching.max_batch_size);
  batching.max_delay = mapping.Duration("max_delay").value_or(batching.max_delay);
  if (mapping.Choice("policy") == kFixedPolicy) batching.policy = BatchingPolicy::kFixed;
  return batching;
}

ApiConfig ServiceReader::Api(const YamlEntry& entry) {
  ApiConfig api;
  api.name = entry.key;
  api.location = entry.location;
  const Mapping mapping(entry.value, StrCat("api '", entry.key, "'"), entry.location, kApiSection,
                        diagnostics_);
  std::map<std::string, int> input_lines;
  for (const YamlEntry* input : mapping.Named("input")) {
    api.inputs.push_back(Input(*input));
    input_lines[input->key] = input->location.line;
  }
  for (const YamlEntry* step : mapping.Named("steps")) {
    StepConfig config = Step(*step);
    if (const auto line = input_lines.find(config.name); line != input_lines.end()) {
      diagnostics_.Add(config.location, StrCat("step '", config.name,
                                               "' has the name of the "
                                               "input on line ",
                                               line->second, "; rename one of them"));
      continue;
    }
    api.steps.push_back(std::move(config));
  }
  for (const YamlEntry* output : mapping.Named("output")) {
    if (!ReadText(output->value, StrCat("output '", output->key, "'"), diagnostics_)) continue;
    std::optional<Reference> value = ParseReference(ExpressionOf(output->value), diagnostics_);
    if (!value.has_value()) continue;
    api.outputs.push_back({output->key, *std::move(value), output->value.location});
  }
  api.timeout = mapping.Duration("timeout").value_or(api.timeout);
  if (const YamlNode* monitor = mapping.Find("monitor")) {
    api.monitor = ReadMonitor(*monitor, diagnostics_);
  }
  return api;
}

// `type`, or `type` with rows: "image[rows]", "fp32[rows,64]".
InputConfig ServiceReader::Input(const YamlEntry& entry) {
  InputConfig input;
  input.name = entry.key;
  input.location = entry.location;
  const std::optional<std::string> text =
      ReadText(entry.value, StrCat("the type of input '", entry.key, "'"), diagnostics_);
  if (!text.has_value()) return input;

  absl::StatusOr<InputType> type = ParseInputType(*text);
  if (type.ok()) {
    input.type = std::move(type->type);
    input.has_rows = type->has_rows;
  } else {
    diagnostics_.Add(entry.value.location, std::string(Message(type.status())));
  }
  return input;
}

StepConfig ServiceReader::Step(const YamlEntry& entry) {
  StepConfig step;
  step.name = entry.key;
  step.location = entry.location;
  step.retries_location = entry.location;
  if (!entry.value.is(YamlNode::Kind::kMap)) {
    step.call = Call(entry.value, entry.key);
    return step;
  }
  const Mapping mapping(entry.value, StrCat("step '", entry.key, "'"), entry.location, kStepSection,
                        diagnostics_);
  if (const YamlNode* run = mapping.Find("run")) step.call = Call(*run, entry.key);
  step.timeout = mapping.Duration("timeout");
  if (const YamlNode* retries = mapping.Find("retries")) {
    step.retries_location = retries->location;
    if (const auto count = mapping.Integer("retries")) step.retries = static_cast<int>(*count);
  }
  return step;
}

// Without a callee if it can't be read, which is then reported.
CallExpression ServiceReader::Call(const YamlNode& node, std::string_view step) {
  CallExpression broken;
  broken.location = node.location;
  if (!node.is(YamlNode::Kind::kScalar) || node.text.empty()) {
    if (!node.is(YamlNode::Kind::kBroken)) {
      diagnostics_.Add(node.location, StrCat("step '", step, "' must be ", kCallText.wanted,
                                             ", not ", Describe(node)));
    }
    return broken;
  }
  return ParseCall(ExpressionOf(node), diagnostics_).value_or(broken);
}

}  // namespace

const RunnerConfig* ServiceConfig::FindRunner(std::string_view runner_name) const {
  for (const RunnerConfig& runner : runners) {
    if (runner.name == runner_name) return &runner;
  }
  return nullptr;
}

ServiceConfig ParseService(std::string_view yaml, const std::filesystem::path& file,
                           Diagnostics& diagnostics) {
  ServiceConfig service;
  service.file = file;
  if (yaml.starts_with("\xEF\xBB\xBF")) yaml.remove_prefix(3);  // A byte order mark.
  if (yaml.size() > kMaxFileSize) {
    diagnostics.Add({1, 1}, "the file is larger than 1 MiB; a service file has a few lines");
    return service;
  }
  if (std::optional<BadByte> bad = FindBadByte(yaml)) {
    diagnostics.Add(bad->location, std::move(bad->message));
    return service;
  }
  const size_t before = diagnostics.size();
  const std::optional<YamlNode> root = ReadYaml(yaml, diagnostics);
  if (root.has_value() && !root->is(YamlNode::Kind::kNull)) {
    ServiceReader(diagnostics).Read(*root, service);
  } else if (diagnostics.size() == before) {
    diagnostics.Add({1, 1}, "the file is empty; write service, runners and apis");
  }
  return service;
}

absl::StatusOr<ServiceConfig> LoadService(const std::filesystem::path& file,
                                          Diagnostics& diagnostics) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) {
    return absl::NotFoundError(
        StrCat("service file '", file.string(), "' is a folder; name the .yaml file in it"));
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return absl::NotFoundError(StrCat("service file '", file.string(), "' can't be opened (",
                                      std::strerror(errno), "); check the path"));
  }
  // One byte beyond the limit tells that there is more.
  std::string text(kMaxFileSize + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad()) {
    return absl::NotFoundError(StrCat("service file '", file.string(), "' can't be read"));
  }
  text.resize(static_cast<size_t>(stream.gcount()));

  return ParseService(text, file, diagnostics);
}

absl::StatusOr<ServiceConfig> LoadService(const std::filesystem::path& file) {
  Diagnostics diagnostics(file.string());
  absl::StatusOr<ServiceConfig> service = LoadService(file, diagnostics);
  if (service.ok() && !diagnostics.empty()) return diagnostics.ToStatus();
  return service;
}

}  // namespace tiffin::config
