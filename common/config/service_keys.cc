#include "common/config/service_keys.h"

#include <array>

#include "common/config/batching.h"
#include "common/config/monitor.h"
#include "common/config/resources.h"
#include "common/config/service.h"

namespace tiffin::config {
namespace {

using keys::Either;
using keys::Key;

constexpr std::array<Key, 2> kRotateKeys = {{
    {.name = "size",
     .form =
         keys::Bytes{
             .min = uint64_t{4} << 10, .max = uint64_t{1} << 40, .fallback = kDefaultRotateSize},
     .meaning = "A file that would become larger is put aside, and a new one begun"},
    {.name = "keep",
     .form = keys::Integer{.min = 0, .max = 1000, .fallback = kDefaultRotateKeep},
     .meaning = "How many files put aside are kept"},
}};

constexpr std::array<Key, 5> kMonitorKeys = {{
    {.name = "file",
     .form = kMonitorFileText,
     .meaning = "The file that gets a line of JSON for each request, below --monitor-dir",
     .required = "{file: \"digits.jsonl\", values: [photo, scores]}"},
    {.name = "rotate",
     .form = keys::Nested{.section = &kRotateSection},
     .meaning = "When the file is put aside"},
    {.name = "sample",
     .form = keys::Number{.min = 0,
                          .max = 1,
                          .min_is = keys::Number::Min::kExcluded,
                          .fallback = kDefaultSample},
     .meaning = "The share of the requests that is written down"},
    {.name = "values",
     .form = keys::List{.noun = "inputs, steps and outputs such as [photo, scores]",
                        .item = kReferenceText,
                        .min = 1,
                        .is_unique = true},
     .meaning = "What is written down",
     .required = "{file: \"digits.jsonl\", values: [photo, scores]}"},
    {.name = "payloads",
     .form = keys::Boolean{.fallback = kDefaultPayloads},
     .meaning = "Images and bytes as they are, not only their size and SHA-256"},
}};

constexpr std::array<Key, 3> kStepKeys = {{
    {.name = "run",
     .form = kCallText,
     .meaning = "The call",
     .required = "run: \"my_runner(value)\""},
    {.name = "timeout",
     .form = keys::Duration{},
     .meaning = "The most time for the step",
     .otherwise = "what the request has left"},
    {.name = "retries",
     .form = keys::Integer{.min = 0, .max = 100},
     .meaning = "How often the step is run again after UNAVAILABLE, or after its worker's death",
     .otherwise = "1 where the method is safe to run again, else 0"},
}};

constexpr std::array<Key, 5> kApiKeys = {{
    {.name = "input",
     .form = keys::Named{.noun = "input", .example = "photo: image", .text = &kInputTypeText},
     .meaning = "What a request brings",
     .required = "input: {name: type}"},
    {.name = "steps",
     .form = keys::Named{.noun = "step",
                         .example = "answer: my_runner(photo)",
                         .text = &kCallText,
                         .section = &kStepSection},
     .meaning = "What is done with it; steps that don't need one another run at the same time",
     .otherwise = "none"},
    {.name = "output",
     .form = keys::Named{.noun = "output", .example = "answer: step", .text = &kReferenceText},
     .meaning = "What goes into the reply",
     .required = "output: {name: step}"},
    {.name = "timeout",
     .form = keys::Duration{.fallback = kDefaultApiTimeout},
     .meaning = "The most time for a request"},
    {.name = "monitor",
     .form = keys::Nested{.section = &kMonitorSection},
     .meaning = "What is written down of requests",
     .otherwise = "nothing"},
}};

constexpr std::array<std::string_view, 2> kPolicies = {kAdaptivePolicy, kFixedPolicy};

constexpr std::array<Key, 3> kBatchingKeys = {{
    {.name = "max_batch_size",
     .form = keys::Integer{.min = 1, .max = 65'536, .fallback = kDefaultMaxBatchSize},
     .meaning = "The most rows of one execution, and of one call"},
    {.name = "max_delay",
     .form = keys::Duration{.fallback = kDefaultMaxDelay},
     .meaning = "The longest that a call waits, with an idle worker, for others to come"},
    {.name = "policy",
     .form = keys::Choice{.words = kPolicies, .fallback = kAdaptivePolicy},
     .meaning = "Whether an idle worker waits only where that is expected to pay, or always"},
}};

constexpr std::array<Key, 2> kResourcesKeys = {{
    {.name = "cpu",
     .form = keys::Number{.min = 0, .max = kMaxCpu, .min_is = keys::Number::Min::kExcluded},
     .meaning = "The share of the gateway's cores that each replica takes",
     .otherwise = "`threads`, else an even share of what is left, or what a tuning says"},
    {.name = "threads",
     .form = keys::Integer{.min = 1, .max = kMaxThreads},
     .meaning = "The threads of each replica's engine",
     .otherwise = "`cpu`, rounded up"},
}};

constexpr std::array<Key, 1> kQueueKeys = {{
    {.name = "max",
     .form = keys::Integer{.min = 0, .max = 1'000'000, .fallback = kDefaultQueueMax},
     .meaning = "The most calls that wait; one more gets RESOURCE_EXHAUSTED"},
}};

constexpr Either kModelOrBackend = {
    .first = "model",
    .second = "backend",
    .third = "python",
    .fourth = "endpoints",
    .if_none = "add one of them",
    .if_both =
        "write one of them only (a model knows its backend, and workers at endpoints what "
        "they run)"};

constexpr std::array<Key, 12> kRunnerKeys = {{
    {.name = "model", .form = kModelText, .meaning = "A model of the store"},
    {.name = "backend", .form = keys::kName, .meaning = "The engine of a runner without a model"},
    {.name = "python",
     .form = kPythonText,
     .meaning = "Code of yours: a file, relative to this one, and the class in it"},
    {.name = "endpoints",
     .form = keys::List{.noun = "addresses such as [\"dns:///model-a:9000\"]",
                        .item = kEndpointText,
                        .min = 1,
                        .is_unique = true},
     .meaning = "Where workers of it listen that the gateway does not start: `unix:PATH`, "
                "`HOST:PORT`, `ipv4:`, `ipv6:`, or `dns:///HOST:PORT` for all addresses of a name; "
                "beside it only `queue` may be written"},
    {.name = "environment",
     .form = kEnvironmentText,
     .meaning = "The virtual environment that `python` runs in: its folder, relative to this file",
     .otherwise = "Debian's Python with its packages"},
    {.name = "options",
     .form = keys::AnyMapping{.example = "{size: 8}"},
     .meaning = "What the backend is told, laid over what model.yaml says; with `python`, what the "
                "class's `load` gets",
     .otherwise = "those of the backend"},
    {.name = "replicas",
     .form = keys::Integer{.min = 1, .max = kMaxReplicas},
     .meaning = "How many workers there are of it",
     .otherwise = "1, or what a tuning says"},
    {.name = "queue",
     .form = keys::Nested{.section = &kQueueSection},
     .meaning = "The bounds of its queue"},
    {.name = "start_timeout",
     .form = keys::Duration{.fallback = kDefaultStartTimeout},
     .meaning =
         "The most time that a worker of it takes to load; one that takes longer is replaced"},
    {.name = "resources",
     .form = keys::Nested{.section = &kResourcesSection},
     .meaning = "What each replica may use"},
    {.name = "device",
     .form = kDeviceText,
     .meaning = "Where the model runs",
     .otherwise = kCpuDevice},
    {.name = "batching",
     .form = keys::Nested{.section = &kBatchingSection, .text = &kBatchingOffText},
     .meaning = "How calls are run together, where the method takes several rows",
     .otherwise = "{}"},
}};

constexpr Either kRunnersOrApis = {
    .first = "runners", .second = "apis", .if_none = "add what it serves", .if_both = ""};

constexpr std::array<Key, 3> kServiceKeys = {{
    {.name = "service",
     .form = keys::kName,
     .meaning = "The name of the service",
     .required = "service: its_name"},
    {.name = "runners",
     .form = keys::Named{.noun = "runner",
                         .example = "my_runner: {model: \"my_model:latest\"}",
                         .section = &kRunnerSection},
     .meaning = "What steps call: models, and backends with options",
     .otherwise = "none"},
    {.name = "apis",
     .form = keys::Named{.noun = "api",
                         .example = "predict: {input: ..., steps: ..., output: ...}",
                         .section = &kApiSection},
     .meaning = "What clients call",
     .otherwise = "none"},
}};

}  // namespace

constinit const keys::Section kRotateSection = {.keys = kRotateKeys};
constinit const keys::Section kMonitorSection = {.keys = kMonitorKeys};
constinit const keys::Section kStepSection = {.keys = kStepKeys};
constinit const keys::Section kApiSection = {.keys = kApiKeys};
constinit const keys::Section kBatchingSection = {.keys = kBatchingKeys};
constinit const keys::Section kResourcesSection = {.keys = kResourcesKeys};
constinit const keys::Section kQueueSection = {.keys = kQueueKeys};
constinit const keys::Section kRunnerSection = {.keys = kRunnerKeys, .either = &kModelOrBackend};
constinit const keys::Section kServiceSection = {.keys = kServiceKeys, .either = &kRunnersOrApis};

}  // namespace tiffin::config
