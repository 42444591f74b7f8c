#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/config/diagnostics.h"
#include "gateway/commands/terminal.h"
#include "gateway/commands/worker_plan.h"

namespace tiffin::gateway {

// A diagnostic for a terminal: its place and message, and below it `line`, the line of the file
// that it is about, with a caret under its column. Without one where the line is empty. Ends with a
// line feed.
std::string DiagnosticText(const config::Diagnostic& diagnostic, std::string_view line,
                           const TextStyle& style);

// The same of many, with the lines of their files.
std::string DiagnosticTexts(const std::vector<config::Diagnostic>& diagnostics,
                            const TextStyle& style);

// Prints the diagnostics that `status` carries on stderr: as above on a terminal, else a line each,
// which editors and grep read.
void PrintDiagnostics(const absl::Status& status);

// What stands below the errors of a plan whose files could not all be read: then the types, which
// depend on what the workers say, have not been checked. Empty: they have.
std::string_view TypesNote(const WorkerPlan& plan);

}  // namespace tiffin::gateway
