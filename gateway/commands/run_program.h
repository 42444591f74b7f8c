#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gateway/supervisor/process.h"

namespace tiffin::gateway {

struct ProgramLimits {
  absl::Duration time = absl::Seconds(30);
  // Of stdout; what goes beyond it on stderr is dropped.
  size_t output_bytes = size_t{4} << 20;
};

struct ProgramOutput {
  Process::Ending ending;
  std::string out;
  std::string err;
};

// Runs a program to its end, with `input` on its stdin, and takes what it writes. Blocks.
// DEADLINE_EXCEEDED, with its last words, and RESOURCE_EXHAUSTED at a limit: then it is killed.
absl::StatusOr<ProgramOutput> RunProgram(const std::filesystem::path& program,
                                         const std::vector<std::string>& arguments,
                                         std::string_view input, const ProgramLimits& limits);

// The end of what a program said on stderr, where the reason stands, ready to stand behind a colon.
std::string LastWords(std::string_view err);

}  // namespace tiffin::gateway
