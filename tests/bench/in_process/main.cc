// Makes the engine calls of a service in this process, with nothing of Tiffin's between them, and
// prints as JSON what it measured: what the service is compared with.

#include <cstddef>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "nlohmann/json.hpp"
#include "tests/bench/files.h"
#include "tests/bench/in_process/graph.h"
#include "tests/bench/in_process/loop.h"
#include "tests/bench/latencies.h"
#include "tests/bench/program.h"

namespace tiffin::bench {
namespace {

struct Flags {
  std::string graph;
  RunnerSource source;
  std::vector<std::string> payload_files;
  int threads = 1;
  int batch = 1;
  Times times;
};

// The answer to each of `requests` by itself.
absl::StatusOr<std::vector<std::string>> AnswerEach(Graph& graph,
                                                    std::span<const std::string> requests) {
  std::vector<std::string> answers;
  for (size_t i = 0; i < requests.size(); ++i) {
    const RequestBatch alone(requests, i, 1);
    ASSIGN_OR_RETURN(std::vector<std::string> answer, graph.Answer(alone.view()));
    if (answer.size() != 1) return absl::InternalError("not one answer to one request");
    answers.push_back(std::move(answer[0]));
  }
  return answers;
}

absl::Status Run(const Flags& flags) {
  std::vector<std::string> requests;
  for (const std::string& file : flags.payload_files) {
    ASSIGN_OR_RETURN(std::string request, ReadFile(file));
    requests.push_back(std::move(request));
  }
  std::vector<std::unique_ptr<Graph>> graphs;
  for (int i = 0; i < flags.threads; ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<Graph> graph, MakeGraph(flags.graph, flags.source));
    graphs.push_back(std::move(graph));
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> answers, AnswerEach(*graphs[0], requests));
  ASSIGN_OR_RETURN(LoopResult result, RunLoops(graphs, requests, answers,
                                               {.batch = flags.batch,
                                                .warm_up = flags.times.warm_up(),
                                                .duration = flags.times.duration()}));
  const auto total = static_cast<double>(result.total_requests);
  nlohmann::json summary = {{"answers", answers}, {"cpu_us", result.cpu_seconds * 1e6 / total}};
  summary.update(
      Summarize(std::move(result.latencies_ns), result.throughput, result.total_requests));
  std::cout << summary.dump() << std::endl;
  return absl::OkStatus();
}

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--graph", flags.graph, "what is called; see in_process/graph.h")
      ->required()
      ->check(CLI::IsMember(GraphNames()));
  app.add_option("--service", flags.source.service_file, "the service file with its runners");
  app.add_option("--store", flags.source.store, "the model store");
  app.add_option("--payload", flags.payload_files,
                 "file with the bytes that the service is sent; several are taken in turns")
      ->required();
  app.add_option("--threads", flags.threads, "threads, each with engines of its own")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--engine-threads", flags.source.engine_threads, "threads of each engine")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--batch", flags.batch, "requests that a thread answers in one go")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  AddTimes(app, flags.times);
}

}  // namespace
}  // namespace tiffin::bench

int main(int argc, char** argv) {
  CLI::App app{"Makes a service's engine calls in one process; prints JSON.", "bench-in-process"};
  tiffin::bench::Flags flags;
  tiffin::bench::AddFlags(app, flags);
  return tiffin::bench::RunProgram(app, argc, argv, [&] { return tiffin::bench::Run(flags); });
}
