#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/keys/key.h"
#include "nlohmann/json.hpp"

namespace tiffin::keys {

// What may stand there, as it completes "must be": "a whole number from 1 to 64".
std::string Wanted(const Form& form);

// "auto, on or off"
std::string Listed(std::span<const std::string_view> words, std::string_view last);

// What may stand for the word `on` or `off`, which YAML took for a truth before its version 1.2.
std::optional<bool> TruthOf(std::string_view word);

// What holds where nothing is written, as it would be written; null where that is no plain value.
nlohmann::json Fallback(const Form& form);
// The same for people; empty where there is nothing to say.
std::string FallbackText(const Key& key);

}  // namespace tiffin::keys
