#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/command.h"
#include "gateway/commands/graph_plan.h"
#include "gateway/commands/help.h"
#include "gateway/commands/measure_runners.h"
#include "gateway/commands/plan_options.h"
#include "gateway/commands/worker_plan.h"
#include "gateway/resources/allocation_text.h"
#include "gateway/resources/graph_load.h"
#include "gateway/resources/search.h"
#include "gateway/resources/text.h"
#include "gateway/resources/tuning.h"
#include "gateway/resources/tuning_text.h"

// `tiffin tune`: measures the runners of services, and keeps the allocation that promises most.
namespace tiffin::gateway {
namespace {

struct TuneOptions {
  PlanOptions plan;
  std::vector<std::string> examples;
};

void Print(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) std::printf("%s\n", line.c_str());
}

std::set<std::string> MethodsOf(const std::vector<GraphLoad>& loads, const std::string& runner) {
  std::set<std::string> methods;
  for (const GraphLoad& load : loads) {
    for (const GraphLoad::Step& step : load.steps) {
      if (step.runner == runner && !step.method.empty()) methods.insert(step.method);
    }
  }
  return methods;
}

// The measuring of all runners, with a line on stderr before each.
class Tuner {
 public:
  Tuner(const WorkerPlan& plan, const std::vector<PlannedService>& services)
      : plan_(plan),
        services_(services),
        share_({.cores = plan.allocation.budget.cores / static_cast<double>(services.size()),
                .why = ""}) {
    for (size_t i = 0; i < plan.workers.size(); ++i) starts_ += ThreadChoices(i).size();
  }

  absl::Status ReadExamples(const std::vector<std::string>& texts) {
    ASSIGN_OR_RETURN(examples_, ExamplesByWorker(texts, plan_.workers));
    return absl::OkStatus();
  }

  // The services are taken to be loaded at the same time, each with an even share of the cores.
  absl::StatusOr<WorkerCounts> Tune() {
    WorkerCounts chosen;
    for (size_t i = 0; i < services_.size(); ++i) {
      ASSIGN_OR_RETURN(const SearchSubject subject, Measure(services_[i]));
      if (subject.profiles.empty()) {
        std::printf("%s has no runner to measure\n", services_[i].name.c_str());
        continue;
      }
      const SearchResult result = FindBest(subject);
      Print(MeasurementText(services_[i].name, subject.profiles));
      Print(SearchText(subject, result));
      for (const auto& [runner, count] : result.best.workers) {
        chosen[StrCat(services_[i].name, ".", runner)] = count;
      }
    }
    return chosen;
  }

 private:
  const config::RunnerConfig& ConfigOf(const PlannedWorker& worker) const {
    const auto file = std::find_if(
        plan_.files.begin(), plan_.files.end(),
        [&worker](const PlannedFile& other) { return other.service.name == worker.service; });
    return *file->service.FindRunner(worker.runner);
  }

  std::vector<int> ThreadChoices(size_t worker) const {
    const config::ResourcesConfig& written = ConfigOf(plan_.workers[worker]).resources;
    const bool fixed = written.threads.has_value() || written.cpu.has_value();
    return fixed ? std::vector<int>{plan_.allocation.runners[worker].workers.threads}
                 : StepsTo(share_.WholeCores());
  }

  void Announce(const PlannedWorker& worker, int threads) {
    std::fprintf(stderr, "measuring %s.%s with %s (%d of %zu, some seconds each)\n",
                 worker.service.c_str(), worker.runner.c_str(),
                 CountText(threads, "thread").c_str(), ++started_, starts_);
  }

  absl::StatusOr<SearchSubject> Measure(const PlannedService& service) {
    std::vector<std::string> runners;
    for (const PlannedWorker& worker : plan_.workers) {
      if (worker.service == service.name) runners.push_back(worker.runner);
    }
    SearchSubject subject;
    subject.loads = LoadsOf(service, runners);
    subject.cores = share_.cores;
    for (size_t i = 0; i < plan_.workers.size(); ++i) {
      const PlannedWorker& worker = plan_.workers[i];
      if (worker.service != service.name) continue;
      const MeasureRequest request{.worker = &worker,
                                   .threads = ThreadChoices(i),
                                   .methods = MethodsOf(subject.loads, worker.runner),
                                   .examples = examples_[&worker]};
      ASSIGN_OR_RETURN(RunnerProfile profile,
                       MeasureRunner(request, [&](int threads) { Announce(worker, threads); }));
      subject.choices[worker.runner] =
          ChoicesOf(profile, {.cores = share_.WholeCores(), .replicas = ConfigOf(worker).replicas});
      subject.profiles[worker.runner] = std::move(profile);
    }
    return subject;
  }

  const WorkerPlan& plan_;
  const std::vector<PlannedService>& services_;
  const CoreBudget share_;  // Of each service.
  size_t starts_ = 0;       // Of workers, altogether.
  int started_ = 0;
  std::map<const PlannedWorker*, std::vector<std::string>> examples_;
};

absl::Status CheckNoEndpoints(const WorkerPlan& plan) {
  for (const PlannedFile& file : plan.files) {
    for (const config::RunnerConfig& runner : file.service.runners) {
      if (runner.endpoints.empty()) continue;
      return absl::InvalidArgumentError(
          StrCat("runner '", file.service.name, ".", runner.name,
                 "' has workers elsewhere, which can't be measured here; tune the service without "
                 "endpoints, where its workers are"));
    }
  }
  return absl::OkStatus();
}

absl::Status Tune(TuneOptions options) {
  const absl::Time start = Clock::Monotonic().Now();
  options.plan.tunings = PlanOptions::Tunings::kIgnored;
  ASSIGN_OR_RETURN(WorkerPlan plan, PlanWorkers(options.plan));
  RETURN_IF_ERROR(CheckNoEndpoints(plan));
  ASSIGN_OR_RETURN(const GraphPlan graphs, PlanGraphs(plan, /*credentials=*/nullptr));
  RETURN_IF_ERROR(DiagnosticsOf(plan));
  Tuner tuner(plan, graphs.services);
  RETURN_IF_ERROR(tuner.ReadExamples(options.examples));
  ASSIGN_OR_RETURN(WorkerCounts workers, tuner.Tune());
  const Tuning tuning{
      .subject = plan.tuning_subject,
      .created = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone()),
      .workers = std::move(workers)};
  RETURN_IF_ERROR(SaveTuning(options.plan.store, tuning));
  options.plan.tunings = PlanOptions::Tunings::kUsed;
  ASSIGN_OR_RETURN(const WorkerPlan tuned, PlanWorkers(options.plan));
  Print(AllocationText(tuned.allocation));
  std::printf(
      "kept in %s, after %s; 'tiffin serve' and 'tiffin check' use it\n",
      TuningPath(options.plan.store, plan.tuning_subject).c_str(),
      absl::FormatDuration(absl::Trunc(Clock::Monotonic().Now() - start, absl::Milliseconds(100)))
          .c_str());
  return absl::OkStatus();
}

}  // namespace

void AddTune(CLI::App& app, Command& chosen, AddExtensions own) {
  auto options = std::make_shared<TuneOptions>();  // Shared with the command that may run.
  CLI::App* tune = app.add_subcommand("tune",
                                      "Measure the runners of service files, and keep the division "
                                      "of the cores that promises most.");
  AddPlanOptions(*tune, options->plan);
  options->plan.own = own;
  tune->add_option("--example", options->examples,
                   "Measure a runner on this: RUNNER.INPUT=VALUE or RUNNER.INPUT=@FILE; again for "
                   "each input (default: the model's example; a picture of a line of text; zeros)")
      ->allow_extra_args(false);
  Teach(*tune,
        {"tiffin tune deploy/examples/inference_graph_demo/service.yaml --store build/models",
         "tiffin tune deploy/examples/inference_graph_demo/service.yaml --store build/models "
         "--cpus 1 --example preprocess.image=@build/images/digits/digit_7.png"});
  tune->callback([options, &chosen] {
    chosen = [options] {
      const absl::Status tuned = Tune(*options);
      return tuned.ok() ? kExitDone : ReportError(tuned);
    };
  });
}

}  // namespace tiffin::gateway
