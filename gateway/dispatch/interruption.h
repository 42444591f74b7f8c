#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace tiffin::gateway {

// How far a call had come when its session was lost.
enum class Interruption {
  kNone,        // It wasn't: the status is about something else.
  kNeverRan,    // It waited: it can be run again freely.
  kBystander,   // It executed beside a suspect's trial, which ended the worker.
  kMayHaveRun,  // It executed in a worker that somebody ended, or that may live.
  kSuspect,     // It executed in a worker that ended by its own doing.
};

// UNAVAILABLE, as who sent the call is told.
absl::Status Interrupted(Interruption how, std::string_view message);
Interruption InterruptionOf(const absl::Status& status);

}  // namespace tiffin::gateway
