#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

namespace CLI {
class App;
}

namespace tiffin::bench {

// How long a program measures: on its command line --warm-up and --seconds.
struct Times {
  double warm_up_seconds = 0.2;
  double seconds = 1.0;

  absl::Duration warm_up() const { return absl::Seconds(warm_up_seconds); }
  absl::Duration duration() const { return absl::Seconds(seconds); }
};

// `times` outlives the parsing.
void AddTimes(CLI::App& app, Times& times);

// The whole of a program's main(): parses the command line into what `app` was given, and runs.
// Returns the exit code: 0, 1 after saying why it failed, 2 for wrong usage.
int RunProgram(CLI::App& app, int argc, char** argv, absl::FunctionRef<absl::Status()> run);

}  // namespace tiffin::bench
