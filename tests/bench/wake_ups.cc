// What the wake-ups of a request alone cost on this machine: processes that wake each other as a
// client, the gateway and its workers do, over Unix sockets, with packets of 64 bytes and nothing
// to compute. Prints, as JSON, the latencies of an echo (client, gateway, client), of one call
// (a worker in between) and of a fan-out (one worker, then two at a time).

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "common/unique_fd.h"
#include "nlohmann/json.hpp"
#include "tests/bench/latencies.h"
#include "tests/bench/program.h"

namespace tiffin::bench {
namespace {

// The first byte of a packet.
enum class Way : char { kEcho = 'e', kCall = 'c', kFanOut = 'f' };
using Packet = std::array<char, 64>;

// False: the other end is gone.
bool Receive(int socket, Packet& packet) {
  return ::recv(socket, packet.data(), packet.size(), 0) == static_cast<ssize_t>(packet.size());
}
bool Send(int socket, const Packet& packet) {
  return ::send(socket, packet.data(), packet.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(packet.size());
}

// A process that runs `serve` on its end of a socket until this end is closed.
template <typename Serve>
absl::StatusOr<UniqueFd> Spawn(Serve serve) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends.data()) != 0) {
    return absl::ErrnoToStatus(errno, "cannot make a pair of sockets");
  }
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "cannot fork");
  if (child > 0) return ours;
  ours = UniqueFd();
  serve(theirs.get());
  ::_exit(0);
}

void ServeWorker(int socket) {
  Packet packet{};
  while (Receive(socket, packet) && Send(socket, packet)) {
  }
}

// One request at a time.
void ServeGateway(int client) {
  std::array<UniqueFd, 3> workers;
  for (UniqueFd& worker : workers) {
    auto spawned = Spawn(ServeWorker);
    if (!spawned.ok()) return;
    worker = *std::move(spawned);
  }
  const auto& [before, left, right] = workers;
  const UniqueFd epoll(::epoll_create1(0));
  for (const int socket : {client, before.get(), left.get(), right.get()}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = socket}};
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, socket, &event) != 0) return;
  }
  Packet packet{};
  int awaited = 0;
  while (true) {
    std::array<epoll_event, 4> events{};
    const int ready = ::epoll_wait(epoll.get(), events.data(), events.size(), /*timeout=*/-1);
    for (int i = 0; i < ready; ++i) {
      const int from = events[static_cast<size_t>(i)].data.fd;
      if (!Receive(from, packet)) return;
      const Way way{packet.front()};
      if (from == client && way != Way::kEcho) {
        Send(before.get(), packet);
      } else if (from == before.get() && way == Way::kFanOut) {
        awaited = 2;
        Send(left.get(), packet);
        Send(right.get(), packet);
      } else if (from == client || from == before.get() || --awaited == 0) {
        Send(client, packet);
      }
    }
  }
}

absl::StatusOr<nlohmann::json> Measure(int gateway, Way way, const Times& times) {
  Packet packet{static_cast<char>(way)};
  std::vector<int64_t> latencies;
  const absl::Time begin = absl::Now() + times.warm_up();
  const absl::Time end = begin + times.duration();
  int64_t total = 0;
  for (absl::Time now = absl::Now(); now < end || latencies.empty(); ++total) {
    const absl::Time started = now;
    if (!Send(gateway, packet) || !Receive(gateway, packet)) {
      return absl::UnavailableError("a process of the chain is gone");
    }
    now = absl::Now();
    if (started >= begin) latencies.push_back(absl::ToInt64Nanoseconds(now - started));
  }
  const auto count = static_cast<double>(latencies.size());
  return Summarize(std::move(latencies), count / absl::ToDoubleSeconds(times.duration()), total);
}

absl::Status Run(const Times& times) {
  auto gateway = Spawn(ServeGateway);
  if (!gateway.ok()) return gateway.status();
  nlohmann::json found;
  for (const auto& [name, way] :
       {std::pair("echo", Way::kEcho), {"call", Way::kCall}, {"fanout", Way::kFanOut}}) {
    auto measured = Measure(gateway->get(), way, times);
    if (!measured.ok()) return measured.status();
    found[name] = *std::move(measured);
  }
  std::cout << found.dump() << std::endl;
  return absl::OkStatus();
}

}  // namespace
}  // namespace tiffin::bench

int main(int argc, char** argv) {
  CLI::App app{"What the wake-ups of a request alone cost.", "bench-wake-ups"};
  tiffin::bench::Times times;
  tiffin::bench::AddTimes(app, times);
  return tiffin::bench::RunProgram(app, argc, argv, [&] { return tiffin::bench::Run(times); });
}
