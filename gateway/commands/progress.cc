#include "gateway/commands/progress.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "common/strings.h"
#include "gateway/commands/terminal.h"

namespace tiffin::gateway {
namespace {

constexpr char kClearLine[] = "\r\033[K";

}  // namespace

Progress::Progress(std::function<std::string()> describe, Rhythm rhythm)
    : describe_(std::move(describe)), rhythm_(rhythm), thread_([this] { Run(); }) {}

Progress::~Progress() {
  ended_.Notify();
  thread_.join();
}

void Progress::Run() {
  const bool on_terminal = IsTerminal(STDERR_FILENO);
  bool shown = false;
  absl::Duration pause = rhythm_.patience;
  while (!ended_.WaitForNotificationWithTimeout(pause)) {
    pause = on_terminal ? rhythm_.terminal : rhythm_.lines;
    const std::string text = describe_();
    if (text.empty()) continue;
    shown = true;
    std::fputs((on_terminal ? StrCat(kClearLine, text) : StrCat(text, "\n")).c_str(), stderr);
  }
  if (shown && on_terminal) std::fputs(kClearLine, stderr);
}

}  // namespace tiffin::gateway
