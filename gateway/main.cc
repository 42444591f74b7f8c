#include "gateway/commands/command.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"

int main(int argc, char** argv) {
  using namespace tiffin::gateway;  // NOLINT(google-build-using-namespace): main() only.
  spdlog::set_default_logger(spdlog::stderr_color_mt("tiffin"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  return RunCommandLine(argc, argv, {AddServe, AddCheck, AddProbe, AddModels});
}
