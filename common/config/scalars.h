#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "common/config/diagnostics.h"
#include "common/config/yaml_reader.h"
#include "common/keys/key.h"
#include "nlohmann/json.hpp"

// Values of a service file, checked. What is wrong goes to `diagnostics` at the node's location,
// once: nullopt is to be left at that. `what` names the value, such as "'timeout'".
namespace tiffin::config {

// What stands there, for a message: "a list", "nothing", "'text'".
std::string Describe(const YamlNode& node);

// A scalar as it is written.
std::optional<std::string> ReadText(const YamlNode& node, std::string_view what,
                                    Diagnostics& diagnostics);

std::optional<int64_t> ReadInteger(const YamlNode& node, std::string_view what,
                                   const keys::Integer& form, Diagnostics& diagnostics);

std::optional<double> ReadNumber(const YamlNode& node, std::string_view what,
                                 const keys::Number& form, Diagnostics& diagnostics);

// A number and its unit (us, ms, s, m, h): above 0, to 24h.
std::optional<absl::Duration> ReadDuration(const YamlNode& node, std::string_view what,
                                           Diagnostics& diagnostics);

std::optional<bool> ReadBoolean(const YamlNode& node, std::string_view what,
                                Diagnostics& diagnostics);

// A whole number and its unit (KiB, MiB, GiB).
std::optional<uint64_t> ReadBytes(const YamlNode& node, std::string_view what,
                                  const keys::Bytes& form, Diagnostics& diagnostics);

std::optional<std::string> ReadChoice(const YamlNode& node, std::string_view what,
                                      const keys::Choice& form, Diagnostics& diagnostics);

// Maps, lists and scalars by the rules of YAML's core schema: null, true, false, 8, 0x1f, 0.5;
// what is quoted is text. Infinities and numbers beyond 64 bits are errors.
nlohmann::json ReadJson(const YamlNode& node, Diagnostics& diagnostics);

}  // namespace tiffin::config
