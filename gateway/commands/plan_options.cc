#include "gateway/commands/plan_options.h"

#include <string>

#include "CLI/CLI.hpp"
#include "common/model/store.h"
#include "common/strings.h"
#include "gateway/commands/help.h"
#include "gateway/commands/worker_program.h"

namespace tiffin::gateway {
namespace {

// An empty text, or what is wrong with it.
std::string CheckCpus(const std::string& text) {
  double cores = 0;
  if (CLI::detail::lexical_cast(text, cores) && cores > 0 && cores <= config::kMaxCpu) return "";
  return StrCat("'", text, "' must be a number of cores above 0, at most ", config::kMaxCpu);
}

}  // namespace

void AddPlanOptions(CLI::App& command, PlanOptions& options) {
  options.store = model::Store::DefaultRoot();
  command.add_option("files", options.files, "Service files (YAML)")->required();
  DefaultTo(*command.add_option("--store", options.store, environment::kStore.meaning),
            environment::kStore);
  AddWorkerDir(command, options.worker_dirs);
  command
      .add_option("--plugin", options.plugins,
                  "A shared library with functions, or APIs in C++, whose code is run inside the "
                  "gateway; again for each")
      ->allow_extra_args(false);
  command
      .add_option("--cpus", options.cpus,
                  "Cores for all runners together, as in 1.5 (default: what affinity and cgroup "
                  "allow)")
      ->check(CheckCpus);
}

void AddEndpoints(CLI::App& command, PlanOptions& options) {
  command
      .add_option("--endpoints", options.endpoints,
                  "The address of workers that somebody else starts, for every runner whose file "
                  "gives it no endpoints: {service} and {runner} are the names, with - for each _, "
                  "as in dns:///{service}-{runner}:9000 or "
                  "unix:/run/tiffin/{service}-{runner}.sock; again for each")
      ->allow_extra_args(false);
  Group(command, "Workers elsewhere", {"--endpoints"});
}

}  // namespace tiffin::gateway
