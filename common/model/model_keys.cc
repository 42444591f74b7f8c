#include "common/model/model_keys.h"

#include <array>
#include <limits>

namespace tiffin::model {
namespace {

using keys::Key;
using keys::kName;

constexpr std::array<Key, 2> kTensorKeys = {{
    {.name = "name",
     .form = keys::Text{.wanted = "text"},
     .meaning = "What the model calls it",
     .required = "name: ..."},
    {.name = "type",
     .form = keys::Text{.wanted = "image, text, json, bytes, or a tensor such as \"fp32[64]\""},
     .meaning = "What one row is",
     .required = "type: ..."},
}};

constexpr std::array<Key, 4> kMethodKeys = {{
    {.name = "inputs",
     .form = keys::List{.noun = "tensors", .item = &kTensorSection},
     .meaning = "What the method takes",
     .required = "inputs: [...]"},
    {.name = "outputs",
     .form = keys::List{.noun = "tensors", .item = &kTensorSection},
     .meaning = "What it gives",
     .required = "outputs: [...]"},
    {.name = "batchable",
     .form = keys::Boolean{.fallback = false},
     .meaning = "It takes several rows at a time"},
    {.name = "retry_safe",
     .form = keys::Boolean{.fallback = true},
     .meaning = "Running a call again does no harm"},
}};

constexpr keys::Text kDigest = {
    .wanted = "their SHA-256, 64 lower-case hex digits in quotes, as 'sha256sum' prints it",
    .pattern = "[0-9a-f]{64}"};
constexpr keys::Text kFileName = {.wanted = "a file's name, without folders",
                                  .pattern = "[^./][^/]*"};

constexpr std::array<Key, 10> kModelKeys = {{
    {.name = "name", .form = kName, .meaning = "The model's name", .required = "name: ..."},
    {.name = "version",
     .form = keys::Integer{.min = 1, .max = std::numeric_limits<int64_t>::max()},
     .meaning = "Its version, that of the folder",
     .required = "version: 1"},
    {.name = "backend",
     .form = kName,
     .meaning = "The engine that runs it",
     .required = "backend: ..."},
    {.name = "created",
     .form = keys::Text{.wanted = "text"},
     .meaning = "When it was imported (RFC 3339, UTC)",
     .required = "created: ..."},
    {.name = "files",
     .form = keys::Named{.noun = "file", .example = {}, .text = &kDigest, .names = &kFileName},
     .meaning = "The model's files beside model.yaml",
     .otherwise = "none"},
    {.name = "methods",
     .form = keys::Named{.noun = "method", .example = {}, .section = &kMethodSection},
     .meaning = "Its signature",
     .otherwise = "what the backend infers"},
    {.name = "options",
     .form = keys::AnyMapping{},
     .meaning = "Those of the backend; a service file's are laid over them",
     .otherwise = "{}"},
    {.name = "labels",
     .form = keys::List{.noun = "texts", .item = keys::Text{.wanted = "text"}},
     .meaning = "What the classes of a classifier are called, in their order",
     .otherwise = "[]"},
    {.name = "metadata",
     .form = keys::AnyMapping{},
     .meaning = "Whatever is to be kept with the model",
     .otherwise = "{}"},
    {.name = "example",
     .form = keys::AnyMapping{},
     .meaning = "Method to input to one row of it, as lists of numbers or text",
     .otherwise = "{}"},
}};

}  // namespace

constinit const keys::Section kTensorSection = {.keys = kTensorKeys};
constinit const keys::Section kMethodSection = {.keys = kMethodKeys};
constinit const keys::Section kModelSection = {.keys = kModelKeys};

}  // namespace tiffin::model
