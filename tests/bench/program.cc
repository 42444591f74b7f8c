#include "tests/bench/program.h"

#include <iostream>

#include "CLI/CLI.hpp"

namespace tiffin::bench {

void AddTimes(CLI::App& app, Times& times) {
  app.add_option("--warm-up", times.warm_up_seconds, "seconds before the measuring starts")
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str();
  app.add_option("--seconds", times.seconds, "seconds of measuring")
      ->check(CLI::Range(0.001, 600.0))
      ->capture_default_str();
}

int RunProgram(CLI::App& app, int argc, char** argv, absl::FunctionRef<absl::Status()> run) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const absl::Status status = run();
  if (status.ok()) return 0;
  std::cerr << app.get_name() << ": " << status << std::endl;
  return 1;
}

}  // namespace tiffin::bench
