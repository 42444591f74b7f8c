#pragma once

#include <fstream>
#include <string>
#include <utility>

#include "nlohmann/json.hpp"
#include "tests/unit/worker/backend_config.h"

namespace tiffin::worker {

// A model of make_text_models.py with these labels, and with a tokenizer's file.
inline BackendConfig TextConfig(std::string module, std::string tokenizer = "tokenizer.json") {
  BackendConfig config = ModelConfig(TIFFIN_TEXT_MODELS, std::move(module));
  config.files.push_back(std::move(tokenizer));
  config.labels = {"NEGATIVE", "POSITIVE"};
  return config;
}

}  // namespace tiffin::worker
