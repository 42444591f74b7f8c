#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "common/signature.h"
#include "nlohmann/json.hpp"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// What a backend without a model is made from.
inline BackendConfig OptionsConfig(nlohmann::json options) {
  BackendConfig config;
  config.options = std::move(options);
  return config;
}

// What a backend with a model of one file is made from.
inline BackendConfig ModelConfig(std::filesystem::path dir, std::string file,
                                 Signature declared = {}) {
  BackendConfig config;
  config.model_dir = std::move(dir);
  config.files = {std::move(file)};
  config.declared = std::move(declared);
  return config;
}

}  // namespace tiffin::worker
