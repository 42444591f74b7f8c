#pragma once

#include <termios.h>

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/unique_fd.h"

namespace tiffin::gateway::top {

// What ends a wait.
enum class Event { kNone, kResized, kQuit };

// SIGINT, SIGTERM, SIGHUP and SIGWINCH of this process as events, from its making on. On the main
// thread of a process that has no other.
class Signals {
 public:
  static absl::StatusOr<Signals> Create();

  // Waits for an event, of the keyboard too if `keyboard` is valid ('q' quits).
  Event Wait(absl::Duration duration, int keyboard);

 private:
  explicit Signals(UniqueFd descriptor) : descriptor_(std::move(descriptor)) {}
  Event Read();

  UniqueFd descriptor_;
};

// The terminal as a page that is drawn again and again: its alternate screen, no cursor, no echo.
// Destruction leaves it as it was.
class Terminal {
 public:
  struct Size {
    size_t columns = 80;
    size_t lines = 24;
  };

  // stdin and stdout are terminals.
  static bool Available();
  static absl::StatusOr<std::unique_ptr<Terminal>> Create();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  Size size() const;
  // The first lines of `text`, as many as there is room for.
  void Draw(std::string_view text);

 private:
  explicit Terminal(const termios& before) : before_(before) {}

  const termios before_;
};

}  // namespace tiffin::gateway::top
