#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tiffin::gateway {

inline constexpr char kPythonRunner[] = "python";
inline constexpr char kCppRunner[] = "cpp";

// A service to begin with.
struct NewService {
  std::string name;
  std::string runner;            // kPythonRunner or kCppRunner: in what its model is written.
  std::filesystem::path folder;  // Made if it is not there; else it must be empty.
};

// INVALID_ARGUMENT for what is no name of a service.
absl::Status CheckServiceName(const std::string& name);

// Writes the files of the service, whose name is good, and gives their names. Overwrites nothing,
// and leaves nothing on failure.
absl::StatusOr<std::vector<std::string>> WriteService(const NewService& service);

}  // namespace tiffin::gateway
