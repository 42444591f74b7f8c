#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace tiffin::gateway::client {

// An input as a command line has it: `NAME=VALUE`, `NAME=@FILE`, `VALUE` or `@FILE`, where the file
// `-` is stdin, and `@@` begins a value with a single '@'.
struct Argument {
  std::string written;
  std::string name;  // Empty: none is written.
  bool from_file = false;
  std::string content;  // The value, or the file's bytes.
};

// Reads the file, if there is one. INVALID_ARGUMENT names what can't be read.
absl::StatusOr<Argument> ReadArgument(const std::string& text);

}  // namespace tiffin::gateway::client
