#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/keys/key.h"
#include "common/tensor.h"
#include "nlohmann/json.hpp"

namespace tiffin::worker {

enum class Behavior { kIdentity, kAddSub, kDelay, kFail, kCrash, kProduce, kConsume, kBarrier };

inline constexpr int64_t kAlways = -1;
inline constexpr int64_t kDefaultBytes = 256;
inline constexpr int64_t kDefaultParties = 2;

// What worker/testing/backend.h describes.
struct TestingOptions {
  Behavior behavior = Behavior::kIdentity;
  DataType dtype = DataType::kFp32;
  Shape shape = {-1};
  std::chrono::milliseconds ms{0};
  std::filesystem::path until;
  std::filesystem::path load_until;
  absl::StatusCode code = absl::StatusCode::kInternal;
  int64_t times = kAlways;
  bool batchable = false;
  nlohmann::json content;
  int64_t bytes = kDefaultBytes;
  std::filesystem::path path;
  int64_t parties = kDefaultParties;
  std::filesystem::path journal;
  bool retry_safe = true;
  std::vector<std::string> methods = {"run"};
};

std::span<const keys::Key> TestingKeys();

// INVALID_ARGUMENT names the option and what it may be.
absl::StatusOr<TestingOptions> ParseTestingOptions(const nlohmann::json& options);

}  // namespace tiffin::worker
