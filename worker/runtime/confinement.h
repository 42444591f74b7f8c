#pragma once

#include "absl/status/status.h"

namespace tiffin::worker {

// Whether others of the same user may look into this process: a debugger, or a core dump.
enum class Debuggable { kNo, kYes };

// Gives up what no model needs, for this process and all that it will start: privileges that a
// set-user-id program would bring, more than 65,536 descriptors; and, unless it is to be
// debuggable, core dumps and being traced, which would show a model's inputs. Before any thread is
// started. It contains nobody who means harm: the process keeps its user's rights.
absl::Status Confine(Debuggable debuggable);

}  // namespace tiffin::worker
