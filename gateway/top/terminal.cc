#include "gateway/top/terminal.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "common/strings.h"

namespace tiffin::gateway::top {
namespace {

constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l";
constexpr std::string_view kLeave = "\x1b[?25h\x1b[?1049l";
constexpr std::string_view kHome = "\x1b[H";
constexpr std::string_view kClearLine = "\x1b[K";
constexpr std::string_view kClearBelow = "\x1b[J";

void Write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // The terminal is gone; so is who looks at it.
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

absl::StatusOr<Signals> Signals::Create() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd descriptor(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor.valid()) return absl::InternalError("signalfd failed");
  return Signals(std::move(descriptor));
}

Event Signals::Read() {
  Event event = Event::kNone;
  signalfd_siginfo info;
  while (read(descriptor_.get(), &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo != SIGWINCH) return Event::kQuit;
    event = Event::kResized;
  }
  return event;
}

Event Signals::Wait(absl::Duration duration, int keyboard) {
  const absl::Time end = absl::Now() + duration;
  while (true) {
    pollfd fds[] = {{.fd = descriptor_.get(), .events = POLLIN, .revents = 0},
                    {.fd = keyboard, .events = POLLIN, .revents = 0}};
    const absl::Duration left = std::max(absl::ZeroDuration(), end - absl::Now());
    const auto wait =
        static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))));
    if (poll(fds, 2, wait) == 0) return Event::kNone;
    if (const Event event = Read(); event != Event::kNone) return event;
    if (fds[1].revents == 0) continue;
    char key = '\0';
    const ssize_t got = read(keyboard, &key, 1);
    if (got == 0 || key == 'q' || key == 'Q') return Event::kQuit;
    if (got < 0 && errno != EINTR && errno != EAGAIN) return Event::kQuit;
  }
}

bool Terminal::Available() { return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1; }

absl::StatusOr<std::unique_ptr<Terminal>> Terminal::Create() {
  termios before;
  if (tcgetattr(STDIN_FILENO, &before) != 0) {
    return absl::InternalError(StrCat("tcgetattr: ", strerror(errno)));
  }
  termios page = before;
  page.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  page.c_cc[VSUSP] = _POSIX_VDISABLE;  // It would leave the shell in the alternate screen.
  page.c_cc[VMIN] = 1;
  page.c_cc[VTIME] = 0;
  if (tcsetattr(STDIN_FILENO, TCSANOW, &page) != 0) {
    return absl::InternalError(StrCat("tcsetattr: ", strerror(errno)));
  }
  Write(kEnter);
  return std::unique_ptr<Terminal>(new Terminal(before));
}

Terminal::~Terminal() {
  Write(kLeave);
  tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

Terminal::Size Terminal::size() const {
  winsize window{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return {};
  return {.columns = window.ws_col, .lines = window.ws_row};
}

void Terminal::Draw(std::string_view text) {
  std::string out(kHome);
  const size_t lines = size().lines;
  for (size_t i = 0; i < lines && !text.empty(); ++i) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (i > 0) out += "\r\n";
    out += text.substr(0, end);
    out += kClearLine;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  out += kClearBelow;
  Write(out);
}

}  // namespace tiffin::gateway::top
