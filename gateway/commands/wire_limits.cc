#include "gateway/commands/wire_limits.h"

#include <sys/resource.h>

#include <string>

#include "CLI/CLI.hpp"
#include "absl/time/time.h"
#include "common/async/connections.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

constexpr char kHeading[] = "Limits of clients";
constexpr int64_t kMostInFlight = int64_t{1} << 40;
// A process has other descriptors: of segments, workers and files.
constexpr uint64_t kOtherDescriptors = 256;
constexpr int kMostConnections =
    connections::kMaxDescriptors - 2 * static_cast<int>(kOtherDescriptors);
constexpr int kMostStreams = 1 << 16;
constexpr absl::Duration kShortest = absl::Seconds(1);
constexpr absl::Duration kLongest = absl::Hours(24);

absl::Duration DurationOf(const std::string& text) {
  absl::Duration duration;
  return absl::ParseDuration(text, &duration) ? duration : absl::ZeroDuration();
}

// An empty text, or what is wrong with it.
std::string CheckDuration(const std::string& text) {
  const absl::Duration duration = DurationOf(text);
  if (duration >= kShortest && duration <= kLongest) return "";
  return StrCat("'", text, "' must be a duration from 1s to 24h, as in 90s");
}

}  // namespace

void AddWireFlags(CLI::App& app, WireFlags& flags) {
  const RpcLimits rpc;
  const http::Limits http;
  flags = {.max_message = rpc.max_message_bytes,
           .in_flight_limit = static_cast<int64_t>(rpc.max_received_bytes),
           .grpc_connections = rpc.max_connections,
           .http_connections = http.max_connections,
           .max_streams = rpc.max_streams,
           .keepalive = absl::FormatDuration(rpc.keepalive),
           .send_timeout = absl::FormatDuration(rpc.send)};
  const auto add = [&app](const char* name, auto& value, const char* text) {
    return app.add_option(name, value, text)->capture_default_str()->group(kHeading);
  };
  add("--max-message", flags.max_message,
      "The most bytes of a gRPC message, and of a body over HTTP")
      ->check(CLI::Range(kLeastMessage, kMostMessage));
  add("--in-flight-limit", flags.in_flight_limit,
      "The most bytes of all requests that are coming, and likewise of all answers that clients "
      "have not taken, of gRPC and of HTTP each")
      ->check(CLI::Range(kLeastMessage, kMostInFlight));
  add("--grpc-connections", flags.grpc_connections,
      "The most connections over gRPC; one more is closed")
      ->check(CLI::Range(1, kMostConnections));
  add("--http-connections", flags.http_connections,
      "The most connections over HTTP; one more is told 503")
      ->check(CLI::Range(1, kMostConnections));
  add("--max-streams", flags.max_streams,
      "The most RPCs that are under way on one connection; clients keep others back")
      ->check(CLI::Range(1, kMostStreams));
  add("--keepalive", flags.keepalive,
      "How long a gRPC connection may bring nothing before it is asked whether it lives")
      ->check(CheckDuration);
  add("--send-timeout", flags.send_timeout, "How long a client may take for an answer")
      ->check(CheckDuration);
}

absl::StatusOr<WireLimits> LimitsOf(const WireFlags& flags) {
  if (flags.in_flight_limit < flags.max_message) {
    return absl::InvalidArgumentError(StrCat("--in-flight-limit ", flags.in_flight_limit,
                                             " has no room for one message of "
                                             "--max-message ",
                                             flags.max_message,
                                             ": raise the one or lower the other"));
  }
  WireLimits limits;
  limits.rpc.max_message_bytes = static_cast<int>(flags.max_message);
  limits.rpc.max_received_bytes = static_cast<uint64_t>(flags.in_flight_limit);
  limits.rpc.max_unsent_bytes = limits.rpc.max_received_bytes;
  limits.rpc.max_connections = flags.grpc_connections;
  limits.rpc.max_streams = flags.max_streams;
  limits.rpc.keepalive = DurationOf(flags.keepalive);
  limits.rpc.send = DurationOf(flags.send_timeout);
  limits.http.max_connections = flags.http_connections;
  limits.http.max_body_bytes = static_cast<uint64_t>(flags.max_message);
  limits.http.max_bodies_bytes = limits.rpc.max_received_bytes;
  limits.http.max_answers_bytes = limits.rpc.max_received_bytes;
  limits.http.write = limits.rpc.send;
  return limits;
}

absl::StatusOr<WireLimits> FitDescriptors(WireLimits limits) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return limits;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  int& rpc = limits.rpc.max_connections;
  int& http = limits.http.max_connections;
  const uint64_t wanted =
      static_cast<uint64_t>(rpc) + static_cast<uint64_t>(http) + kOtherDescriptors;
  if (files.rlim_max >= wanted) return limits;
  const bool asked_for =
      rpc != RpcLimits{}.max_connections || http != http::Limits{}.max_connections;
  if (asked_for || files.rlim_max < 2 * kOtherDescriptors) {
    return absl::ResourceExhaustedError(StrCat(
        "--grpc-connections ", rpc, " and --http-connections ", http, " want ", wanted,
        " open files with the ", kOtherDescriptors, " of all else, and this process may have ",
        files.rlim_max, ": raise 'ulimit -Hn', or lower them"));
  }
  const auto room = static_cast<int>(files.rlim_max - kOtherDescriptors);
  rpc = room * 2 / 3;
  http = room / 3;
  return limits;
}

}  // namespace tiffin::gateway
