#include "gateway/commands/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/unique_fd.h"

namespace tiffin::gateway {
namespace {

constexpr size_t kMaxLastWords = 4096;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

absl::StatusOr<Pipe> MakePipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "no pipe to be had");
  Pipe pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
  // The program writes as to any pipe; it is only we who never wait in a read.
  if (::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) != 0) {
    return absl::ErrnoToStatus(errno, "no pipe to be had");
  }
  return pipe;
}

// A file without a name that holds `input`: unlike a pipe, nobody has to feed it.
absl::StatusOr<UniqueFd> InputFile(std::string_view input) {
  UniqueFd file(::memfd_create("tiffin-input", MFD_CLOEXEC));
  if (!file.valid()) return absl::ErrnoToStatus(errno, "can't keep a program's input");
  for (size_t written = 0; written < input.size();) {
    const ssize_t count = ::write(file.get(), input.data() + written, input.size() - written);
    if (count < 0) return absl::ErrnoToStatus(errno, "can't keep a program's input");
    written += static_cast<size_t>(count);
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) {
    return absl::ErrnoToStatus(errno, "can't keep a program's input");
  }
  return file;
}

// One of the streams that a program writes.
struct Captured {
  UniqueFd fd;
  std::string text;
  size_t max = 0;
  bool overflowed = false;

  // Takes what is there now; closes the descriptor at its end.
  void Drain() {
    std::array<char, 16384> piece{};
    while (fd.valid()) {
      const ssize_t count = ::read(fd.get(), piece.data(), piece.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return;
      if (count <= 0) {
        fd = UniqueFd();
        return;
      }
      const size_t room = max - text.size();
      overflowed = overflowed || static_cast<size_t>(count) > room;
      text.append(piece.data(), std::min(static_cast<size_t>(count), room));
    }
  }
};

int MillisecondsUntil(absl::Time deadline) {
  const absl::Duration left = deadline - Clock::Monotonic().Now();
  const int64_t rounded_up = absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1)));
  return static_cast<int>(std::clamp<int64_t>(rounded_up, 0, 1'000'000));
}

}  // namespace

absl::StatusOr<ProgramOutput> RunProgram(const std::filesystem::path& program,
                                         const std::vector<std::string>& arguments,
                                         std::string_view input, const ProgramLimits& limits) {
  ASSIGN_OR_RETURN(const UniqueFd in, InputFile(input));
  ASSIGN_OR_RETURN(Pipe out_pipe, MakePipe());
  ASSIGN_OR_RETURN(Pipe err_pipe, MakePipe());
  ASSIGN_OR_RETURN(
      Process process,
      Process::Spawn(program.string(), arguments,
                     {.in = in.get(), .out = out_pipe.write.get(), .err = err_pipe.write.get()}));
  out_pipe.write = UniqueFd();
  err_pipe.write = UniqueFd();
  Captured out{.fd = std::move(out_pipe.read), .text = {}, .max = limits.output_bytes};
  Captured err{.fd = std::move(err_pipe.read), .text = {}, .max = limits.output_bytes};

  const std::string who = program.filename().string();
  const absl::Time deadline = Clock::Monotonic().Now() + limits.time;
  std::optional<Process::Ending> ending;
  while (!ending.has_value()) {
    const int wait_ms = MillisecondsUntil(deadline);
    if (wait_ms == 0) {
      return absl::DeadlineExceededError(StrCat(
          who, ": no answer after ", absl::FormatDuration(limits.time), ": ", LastWords(err.text)));
    }
    // A descriptor that is closed by now is -1, which poll passes over.
    std::array<pollfd, 3> polled = {
        {{out.fd.get(), POLLIN, 0}, {err.fd.get(), POLLIN, 0}, {process.pidfd(), POLLIN, 0}}};
    const int ready = ::poll(polled.data(), polled.size(), wait_ms);
    if (ready < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "poll");
    // In this order: what it wrote just before its end is there once the end is seen.
    if (ready > 0 && polled[2].revents != 0) ending = process.Reap();
    out.Drain();
    err.Drain();
    if (out.overflowed) {
      return absl::ResourceExhaustedError(
          StrCat(who, ": its answer is larger than ", limits.output_bytes, " bytes"));
    }
  }
  return ProgramOutput{
      .ending = *std::move(ending), .out = std::move(out.text), .err = std::move(err.text)};
}

std::string LastWords(std::string_view err) {
  const std::string_view text = Trim(err);
  if (text.empty()) return "it said nothing on stderr";
  if (text.size() <= kMaxLastWords) return std::string(text);
  return StrCat("... ", text.substr(text.size() - kMaxLastWords));
}

}  // namespace tiffin::gateway
