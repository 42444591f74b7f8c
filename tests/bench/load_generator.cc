// Puts a closed loop of unary calls on a server and prints what it measured as JSON.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "nlohmann/json.hpp"
#include "tests/bench/closed_loop.h"
#include "tests/bench/protocol.h"

namespace tiffin::bench {
namespace {

constexpr auto kConnectTimeout = std::chrono::seconds(10);

struct Flags {
  std::string address;
  std::string protocol;
  InferProtocol::Input input;
  std::string payload_file;
  std::string expect_file;
  double warm_up_seconds = 0.2;
  double seconds = 1.0;
  Load load;
};

absl::StatusOr<std::string> ReadFile(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file) return absl::NotFoundError(StrCat("cannot read '", name, "'"));
  return std::move(content).str();
}

std::unique_ptr<Protocol> MakeProtocol(const Flags& flags) {
  if (flags.protocol == "echo") return std::make_unique<EchoProtocol>();
  return std::make_unique<InferProtocol>(flags.input);
}

// The smallest value that at least `share` of all values do not exceed.
int64_t Percentile(std::vector<int64_t>& values, double share) {
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  const auto nth = values.begin() + std::max<ptrdiff_t>(static_cast<ptrdiff_t>(rank), 1) - 1;
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

absl::Status Run(const Flags& flags) {
  ASSIGN_OR_RETURN(const std::string payload, ReadFile(flags.payload_file));
  std::optional<std::string> expected;
  if (!flags.expect_file.empty()) {
    ASSIGN_OR_RETURN(expected, ReadFile(flags.expect_file));
  }
  const std::unique_ptr<Protocol> protocol = MakeProtocol(flags);
  ReplyChecker checker(*protocol, std::move(expected));

  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  const auto channel =
      grpc::CreateCustomChannel(flags.address, grpc::InsecureChannelCredentials(), arguments);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + kConnectTimeout)) {
    return absl::UnavailableError(StrCat("nothing answers on ", flags.address));
  }
  Load load = flags.load;
  load.warm_up = absl::Seconds(flags.warm_up_seconds);
  load.duration = absl::Seconds(flags.seconds);
  ASSIGN_OR_RETURN(
      LoadResult result,
      RunClosedLoop(
          channel, protocol->method(), protocol->Request(payload),
          [&checker](const grpc::ByteBuffer& reply) { return checker.Check(reply); }, load));
  const nlohmann::json summary = {
      {"requests", result.latencies_ns.size()},
      {"total_requests", result.total_requests},
      {"p50_us", static_cast<double>(Percentile(result.latencies_ns, 0.50)) / 1e3},
      {"p99_us", static_cast<double>(Percentile(result.latencies_ns, 0.99)) / 1e3},
      {"throughput", result.throughput}};
  std::cout << summary.dump() << std::endl;
  return absl::OkStatus();
}

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--address", flags.address, "HOST:PORT or unix:PATH of the server")->required();
  app.add_option("--protocol", flags.protocol, "what it speaks")
      ->required()
      ->check(CLI::IsMember({"echo", "infer"}));
  app.add_option("--payload", flags.payload_file, "file with the bytes to send")->required();
  app.add_option("--expect", flags.expect_file,
                 "file with the bytes that must come back; without it every reply must be like "
                 "the first");
  app.add_option("--model", flags.input.model, "infer: model_name");
  app.add_option("--input", flags.input.name, "infer: name of the input tensor");
  app.add_option("--datatype", flags.input.datatype, "infer: its datatype, such as FP32");
  app.add_option("--shape", flags.input.shape, "infer: its shape, such as 1,64")->delimiter(',');
  app.add_option("--in-flight", flags.load.in_flight, "calls under way at any time")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--warm-up", flags.warm_up_seconds, "seconds before the measuring starts")
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str();
  app.add_option("--seconds", flags.seconds, "seconds of measuring")
      ->check(CLI::Range(0.001, 600.0))
      ->capture_default_str();
  app.add_option("--max-requests", flags.load.max_requests, "replies that end the measuring")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

}  // namespace
}  // namespace tiffin::bench

int main(int argc, char** argv) {
  CLI::App app{"Puts a closed loop of unary calls on a server; prints JSON.",
               "bench-load-generator"};
  tiffin::bench::Flags flags;
  tiffin::bench::AddFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const absl::Status status = tiffin::bench::Run(flags);
  if (status.ok()) return 0;
  std::cerr << "bench-load-generator: " << status << std::endl;
  return 1;
}
