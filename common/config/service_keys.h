#pragma once

#include "common/keys/key.h"

// Every key of service files, with what may stand there: see keys::Key.
namespace tiffin::config {

extern const keys::Section kServiceSection;  // The whole file.

extern const keys::Section kRunnerSection;
extern const keys::Section kQueueSection;
extern const keys::Section kResourcesSection;
extern const keys::Section kBatchingSection;
extern const keys::Section kApiSection;
extern const keys::Section kStepSection;
extern const keys::Section kMonitorSection;
extern const keys::Section kRotateSection;

// The texts that are more than a name. Parsers read them, which see more than the patterns do; a
// test compares.
inline constexpr keys::Text kModelText = {
    .wanted = "a model of the store and its version, such as \"digits:3\" or \"digits:latest\"",
    .pattern = "(?!(true|false):)[a-z][a-z0-9_]*:(latest|0*[1-9][0-9]*)"};
inline constexpr keys::Text kPythonText = {
    .wanted = "a file and a class in it, such as \"clean.py:Clean\"",
    .pattern = R"([^:\r\n]*[^:/\r\n]\.py:[A-Za-z_][A-Za-z0-9_]*)"};
inline constexpr keys::Text kEnvironmentText = {
    .wanted = "the folder of a virtual environment, such as \".venv\""};
inline constexpr keys::Text kEndpointText = {
    .wanted = "unix:PATH, HOST:PORT, ipv4:HOST:PORT, ipv6:[HOST]:PORT, or dns:///HOST:PORT",
    .pattern = R"(unix:.+|[^\s/]+:[0-9]+|dns://[^\s/]*/[^\s/]+:[0-9]+)"};
inline constexpr keys::Text kDeviceText = {
    .wanted = "cpu, or a GPU by its number such as \"cuda:0\"",
    .pattern = "cpu|cuda:(0|[1-9][0-9]{0,2})"};
inline constexpr keys::Text kBatchingOffText = {.wanted = "off", .pattern = "off"};
inline constexpr keys::Text kInputTypeText = {
    .wanted =
        "image, text, json, bytes, or a tensor such as \"fp32[64]\"; several rows: "
        "\"fp32[rows,64]\"",
    .pattern = R"(\s*(image|text|json|bytes)\s*(\[\s*rows\s*\]\s*)?)"
               R"(|\s*(bool|u?int(8|16|32|64)|fp(16|32|64)|bf16|bytes)\s*)"
               R"(\[\s*((rows|-1|[0-9]+)\s*(,\s*(-1|[0-9]+)\s*)*)?\]\s*)"};
inline constexpr keys::Text kCallText = {
    .wanted = "a call such as my_runner(value)",
    .pattern = R"(\s*(?!(true|false)\b)[a-z][a-z0-9_]*\s*(\.\s*[A-Za-z_][A-Za-z0-9_]*\s*)?)"
               R"(\([\s\S]*\)\s*)"};
inline constexpr keys::Text kReferenceText = {
    .wanted = "an input, a step, or step.output",
    .pattern = R"(\s*(?!(true|false)\b)[a-z][a-z0-9_]*\s*(\.\s*[A-Za-z_][A-Za-z0-9_]*\s*)?)"};
inline constexpr keys::Text kMonitorFileText = {
    .wanted =
        "a plain name such as \"digits.jsonl\", without folders: where it lies is said by "
        "--monitor-dir",
    .pattern = "[A-Za-z0-9_][A-Za-z0-9._-]{0,99}",
    .any_scalar = true};

}  // namespace tiffin::config
