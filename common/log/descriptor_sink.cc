#include "common/log/descriptor_sink.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <utility>

#include "common/clock.h"
#include "common/log/formatter.h"
#include "common/strings.h"

namespace tiffin::log {
namespace {

constexpr size_t kFileBatch = 32 << 10;

int64_t NowNs() { return absl::ToUnixNanos(Clock::Monotonic().Now()); }

// O_NONBLOCK belongs to the open file, which other processes write to as well, so ours has to be
// another one. A regular file must not be opened again: it would be written from its start.
UniqueFd OpenAgain(int descriptor) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return {};
  if (!S_ISFIFO(status.st_mode) && isatty(descriptor) == 0) return {};
  const std::string path = StrCat("/proc/self/fd/", descriptor);
  return UniqueFd(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

bool IsRegularFile(int descriptor) {
  struct stat status {};
  return fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

bool IsSocket(int descriptor) {
  struct stat status {};
  return fstat(descriptor, &status) == 0 && S_ISSOCK(status.st_mode);
}

}  // namespace

DescriptorSink::DescriptorSink(int descriptor, Source source)
    : source_(std::move(source)),
      own_(OpenAgain(descriptor)),
      descriptor_(own_.valid() ? own_.get() : descriptor),
      is_socket_(IsSocket(descriptor)),
      finish_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      at_once_(IsRegularFile(descriptor) ? kFileBatch : PIPE_BUF) {}

void DescriptorSink::Finish(absl::Duration grace) {
  finish_by_ns_ = NowNs() + absl::ToInt64Nanoseconds(grace);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(finish_.get(), &one, sizeof(one));
}

void DescriptorSink::sink_it_(const spdlog::details::log_msg& message) {
  TellLost(message);
  Append(message);
  if (source_.waiting() == 0) flush_();
}

void DescriptorSink::Append(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  if (batch_.size() + line.size() > at_once_) flush_();
  batch_.append(line.data(), line.size());
}

void DescriptorSink::flush_() {
  if (batch_.empty()) return;
  if (cut_) cut_ = WriteSome("\n") == 0;
  const size_t written = cut_ ? 0 : WriteSome(batch_);
  if (written > 0) cut_ = batch_[written - 1] != '\n';
  const auto lost = batch_.begin() + static_cast<std::ptrdiff_t>(written);
  auto lines = static_cast<uint64_t>(std::count(lost, batch_.end(), '\n'));
  if (written < report_end_) {  // What it told is still to be told, and it is none of the lines.
    told_ = told_before_;
    --lines;
  }
  given_up_ += lines;
  batch_.clear();
  report_end_ = 0;
}

void DescriptorSink::TellLost(const spdlog::details::log_msg& message) {
  const uint64_t lost = this->lost();
  if (lost == told_ || report_end_ > 0) return;
  const std::string text =
      Pack("log_lines_lost",
           StrCat(lost - told_,
                  " log lines before this one were lost: they came faster than stderr "
                  "is read"),
           {{"lost", lost - told_}, {"lost_in_all", lost}});
  spdlog::details::log_msg own = message;
  own.level = spdlog::level::warn;
  own.payload = text;
  Append(own);
  report_end_ = batch_.size();
  told_before_ = std::exchange(told_, lost);
}

size_t DescriptorSink::WriteSome(std::string_view text) {
  size_t done = 0;
  while (done < text.size()) {
    if (!own_.valid() && !is_socket_ && !AwaitRoom()) return done;
    // More at once could wait, where another process has taken the room that poll saw.
    const std::string_view next = text.substr(done, at_once_);
    const ssize_t written =
        is_socket_ ? send(descriptor_, next.data(), next.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                   : write(descriptor_, next.data(), next.size());
    if (written >= 0) {
      done += static_cast<size_t>(written);
    } else if (errno == EAGAIN) {
      if (!AwaitRoom()) return done;
    } else if (errno != EINTR) {
      return done;  // The disk is full, or the reader is gone.
    }
  }
  return done;
}

bool DescriptorSink::AwaitRoom() {
  while (true) {
    const int64_t finish_by = finish_by_ns_;
    const bool finishing = finish_by != std::numeric_limits<int64_t>::max();
    const int64_t left_ms = finishing ? (finish_by - NowNs()) / 1'000'000 : -1;
    if (finishing && left_ms < 0) return false;
    pollfd waits[] = {{descriptor_, POLLOUT, 0}, {finish_.get(), POLLIN, 0}};
    const nfds_t count = finishing ? 1 : 2;  // Its event has been seen.
    const int ready = poll(waits, count, static_cast<int>(left_ms));
    if (ready < 0 && errno != EINTR) return false;
    if (ready > 0 && waits[0].revents != 0) return true;
    if (ready == 0) return false;
  }
}

}  // namespace tiffin::log
