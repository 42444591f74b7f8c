#pragma once

#include <string>
#include <string_view>

#include "common/signature.h"

namespace tiffin::gateway {

// What is wrong with a worker elsewhere that stands where `runner`'s should, and the fix: "runs
// 'model_b' of service 'x'; start it with ...". Empty: it says that it is this runner, of whichever
// service, or doesn't say what it is.
std::string AnotherRunner(const WorkerDescription& worker, std::string_view runner);

// "the model digits:3", "the backend image".
std::string WhatRuns(const WorkerDescription& worker);
// That a worker elsewhere runs something else than the service file says, `written` as in
// config::RunnerConfig: "runs the model digits:2, but the service file says digits:3; ...". Empty:
// it doesn't, or the file says nothing. Options aren't compared, for the worker doesn't tell them.
std::string RunsOther(const WorkerDescription& worker, std::string_view written);

}  // namespace tiffin::gateway
