// Puts a load of unary calls on a server and prints what it measured as JSON.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "nlohmann/json.hpp"
#include "tests/bench/arrivals.h"
#include "tests/bench/closed_loop.h"
#include "tests/bench/files.h"
#include "tests/bench/latencies.h"
#include "tests/bench/open_loop.h"
#include "tests/bench/outcomes.h"
#include "tests/bench/program.h"
#include "tests/bench/protocol.h"

namespace tiffin::bench {
namespace {

constexpr auto kConnectTimeout = std::chrono::seconds(10);
constexpr double kMaxRate = 1e6;
constexpr double kMaxSeconds = 3600;

struct Flags {
  std::string address;
  std::string protocol;
  InferProtocol::Input input;  // For each of the models.
  std::vector<std::string> models = {""};
  std::vector<std::string> payload_files;
  std::vector<std::string> expect_files;
  std::string timings_file;
  Times times;
  ClosedLoad closed;
  int connections = 1;
  // Calls a second of an open loop; 0: a closed loop.
  double rate = 0;
  int burst = 0;  // Calls at once; 0: Poisson.
  uint64_t seed = 1;
  // Of an overload, as they were written; none: another kind of load.
  std::vector<std::string> phases;
  double deadline_ms = 0;
};

// Asked in turns.
std::vector<std::unique_ptr<Protocol>> MakeProtocols(const Flags& flags) {
  std::vector<std::unique_ptr<Protocol>> protocols;
  for (const std::string& model : flags.models) {
    if (flags.protocol == "echo") {
      protocols.push_back(std::make_unique<EchoProtocol>());
      continue;
    }
    InferProtocol::Input input = flags.input;
    input.model = model;
    protocols.push_back(std::make_unique<InferProtocol>(std::move(input)));
  }
  return protocols;
}

absl::StatusOr<std::vector<std::string>> ReadFiles(const std::vector<std::string>& names) {
  std::vector<std::string> contents;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(std::string content, ReadFile(name));
    contents.push_back(std::move(content));
  }
  return contents;
}

absl::StatusOr<LoadResult> RunClosed(const Workload& workload, const Flags& flags) {
  ClosedLoad load = flags.closed;
  load.warm_up = flags.times.warm_up();
  load.duration = flags.times.duration();
  load.wants_timings = !flags.timings_file.empty();
  return RunClosedLoop(workload, load);
}

absl::StatusOr<LoadResult> RunOpen(const Workload& workload, const Flags& flags) {
  const absl::Duration length = flags.times.warm_up() + flags.times.duration();
  const std::vector<absl::Duration> arrivals =
      flags.burst > 0 ? BurstArrivals(flags.rate, flags.burst, length)
                      : PoissonArrivals(flags.rate, length, flags.seed);
  return RunOpenLoop(workload, {.arrivals = arrivals, .warm_up = flags.times.warm_up()});
}

absl::StatusOr<Phase> ParsePhase(const std::string& text) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  double rate = 0;
  double seconds = 0;
  if (!absl::SimpleAtod(parts.first, &rate) || !absl::SimpleAtod(parts.second, &seconds) ||
      !(rate > 0 && rate <= kMaxRate && seconds > 0 && seconds <= kMaxSeconds)) {
    return absl::InvalidArgumentError(StrCat("'", text, "' is not RATE:SECONDS, such as 250:1.5"));
  }
  return Phase{.rate = rate, .duration = absl::Seconds(seconds)};
}

absl::StatusOr<nlohmann::json> MeasureOverload(const Workload& workload, const Flags& flags) {
  std::vector<Phase> phases;
  for (const std::string& text : flags.phases) {
    ASSIGN_OR_RETURN(phases.emplace_back(), ParsePhase(text));
  }
  const std::vector<absl::Duration> arrivals = PhasedArrivals(phases, flags.seed);
  const OpenLoad load = {.arrivals = arrivals,
                         .warm_up = absl::ZeroDuration(),
                         .patience = absl::Milliseconds(flags.deadline_ms)};
  ASSIGN_OR_RETURN(const std::vector<Outcome> outcomes, RunOverload(workload, load));
  return nlohmann::json{{"total_requests", outcomes.size()},
                        {"phases", SummarizePhases(phases, outcomes)}};
}

// A line of JSON for each call.
absl::Status WriteTimings(const std::string& name, const LoadResult& result) {
  std::ofstream file(name);
  for (size_t i = 0; i < result.timings.size(); ++i) {
    if (result.timings[i].empty()) {
      return absl::NotFoundError("the server gives no tiffin-timing, which --timings asks for");
    }
    file << "{\"latency_us\": " << static_cast<double>(result.latencies_ns[i]) / 1e3
         << ", \"server\": " << result.timings[i] << "}\n";
  }
  file.flush();
  return file ? absl::OkStatus() : absl::UnavailableError(StrCat("cannot write '", name, "'"));
}

absl::StatusOr<nlohmann::json> MeasureAnswers(const Workload& workload, const Flags& flags) {
  ASSIGN_OR_RETURN(LoadResult result,
                   flags.rate > 0 ? RunOpen(workload, flags) : RunClosed(workload, flags));
  if (!flags.timings_file.empty()) RETURN_IF_ERROR(WriteTimings(flags.timings_file, result));
  nlohmann::json summary =
      Summarize(std::move(result.latencies_ns), result.throughput, result.total_requests);
  if (result.cpu_of_us.has_value()) summary["cpu_of_us"] = *result.cpu_of_us;
  return summary;
}

absl::Status Run(const Flags& flags) {
  ASSIGN_OR_RETURN(const std::vector<std::string> payloads, ReadFiles(flags.payload_files));
  ASSIGN_OR_RETURN(const std::vector<std::string> expected, ReadFiles(flags.expect_files));
  if (!expected.empty() && expected.size() != payloads.size()) {
    return absl::InvalidArgumentError("give as many --expect as --payload, or none");
  }
  const std::vector<std::unique_ptr<Protocol>> protocols = MakeProtocols(flags);
  std::vector<grpc::ByteBuffer> requests;
  std::vector<ReplyChecker> checkers;
  for (size_t i = 0; i < payloads.size(); ++i) {
    for (const auto& protocol : protocols) {
      requests.push_back(protocol->Request(payloads[i]));
      checkers.emplace_back(*protocol,
                            expected.empty() ? std::nullopt : std::optional(expected[i]));
    }
  }

  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // No channel shares its connection.
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < flags.connections; ++i) {
    channels.push_back(
        grpc::CreateCustomChannel(flags.address, grpc::InsecureChannelCredentials(), arguments));
    if (!channels.back()->WaitForConnected(std::chrono::system_clock::now() + kConnectTimeout)) {
      return absl::UnavailableError(StrCat("nothing answers on ", flags.address));
    }
  }
  // Workload only refers to it.
  const auto check = [&](const grpc::ByteBuffer& reply, size_t i) {
    return checkers[i].Check(reply);
  };
  const Workload workload = {.channels = channels,
                             .method = protocols.front()->method(),
                             .requests = requests,
                             .check = check};
  ASSIGN_OR_RETURN(const nlohmann::json summary, flags.phases.empty()
                                                     ? MeasureAnswers(workload, flags)
                                                     : MeasureOverload(workload, flags));
  std::cout << summary.dump() << std::endl;
  return absl::OkStatus();
}

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--address", flags.address, "HOST:PORT or unix:PATH of the server")->required();
  app.add_option("--protocol", flags.protocol, "what it speaks")
      ->required()
      ->check(CLI::IsMember({"echo", "infer"}));
  app.add_option("--payload", flags.payload_files,
                 "file with the bytes to send; several are sent in turns")
      ->required();
  app.add_option("--expect", flags.expect_files,
                 "file with the bytes that must come back, one for each payload; without it every "
                 "reply to a payload must be like the first");
  app.add_option("--model", flags.models, "infer: model_name; several are asked in turns");
  app.add_option("--input", flags.input.name, "infer: name of the input tensor");
  app.add_option("--datatype", flags.input.datatype, "infer: its datatype, such as FP32");
  app.add_option("--shape", flags.input.shape, "infer: its shape, such as 1,64")->delimiter(',');
  app.add_option("--output", flags.input.output,
                 "infer: the one output to ask for; else there must be just one");
  AddTimes(app, flags.times);
  auto* in_flight =
      app.add_option("--in-flight", flags.closed.in_flight, "calls under way at any time")
          ->check(CLI::Range(1, 10'000))
          ->capture_default_str();
  auto* connections = app.add_option("--connections", flags.connections, "take the calls in turns")
                          ->check(CLI::Range(1, 10'000))
                          ->capture_default_str();
  auto* max_requests =
      app.add_option("--max-requests", flags.closed.max_requests, "replies that end the measuring")
          ->check(CLI::PositiveNumber)
          ->capture_default_str();
  auto* cpu_of = app.add_option("--cpu-of", flags.closed.cpu_of,
                                "a process of this machine: its CPU time for a reply, too")
                     ->check(CLI::PositiveNumber);
  auto* rate = app.add_option("--rate", flags.rate,
                              "calls a second, by chance (Poisson), whatever is under way: an open "
                              "loop, whose latencies count from when calls should have started")
                   ->check(CLI::Range(0.01, kMaxRate))
                   ->excludes(in_flight)
                   ->excludes(connections)
                   ->excludes(max_requests)
                   ->excludes(cpu_of);
  app.add_option("--timings", flags.timings_file,
                 "asks for the timeline of each call, and writes those that are measured there")
      ->excludes(rate);
  auto* burst = app.add_option("--burst", flags.burst, "of --rate: so many at once, regularly")
                    ->check(CLI::Range(1, 10'000))
                    ->needs(rate);
  auto* phases =
      app.add_option("--phases", flags.phases,
                     "RATE:SECONDS, several one after the other: calls by chance at these rates, "
                     "which may be refused or late, and are counted then; measured without a "
                     "warm-up")
          ->check([](const std::string& text) {
            return std::string(ParsePhase(text).status().message());
          })
          ->excludes(in_flight)
          ->excludes(connections)
          ->excludes(max_requests)
          ->excludes(cpu_of)
          ->excludes(rate);
  auto* deadline = app.add_option("--deadline-ms", flags.deadline_ms, "of --phases: of each call")
                       ->check(CLI::Range(1.0, 60e3))
                       ->needs(phases);
  phases->needs(deadline);
  auto* seed =
      app.add_option("--seed", flags.seed, "of --rate and --phases: what chance begins with")
          ->excludes(burst)
          ->capture_default_str();
  app.callback([=] {
    if (*seed && !*rate && !*phases) throw CLI::RequiresError("--seed", "--rate or --phases");
  });
}

}  // namespace
}  // namespace tiffin::bench

int main(int argc, char** argv) {
  CLI::App app{"Puts a load of unary calls on a server; prints JSON.", "bench-load-generator"};
  tiffin::bench::Flags flags;
  tiffin::bench::AddFlags(app, flags);
  return tiffin::bench::RunProgram(app, argc, argv, [&] { return tiffin::bench::Run(flags); });
}
