// A service file: whatever is in it, reading ends with a service or with errors. Errors have a
// place in the file, stand in its order and on a line each, without control characters and in
// UTF-8; without errors the service has a name, and every option can be written as JSON, as the
// workers are sent it. Reading again says the same.
#include <algorithm>
#include <cctype>
#include <vector>

#include "common/config/service.h"
#include "gateway/api/text.h"
#include "tests/fuzz/fuzz.h"

namespace tiffin::fuzz {
namespace {

bool IsControl(char c) { return std::iscntrl(static_cast<unsigned char>(c)) != 0; }

void CheckDiagnostics(const std::vector<config::Diagnostic>& found) {
  config::Location last;
  for (const config::Diagnostic& entry : found) {
    Require(entry.location >= last, "errors are in the order of the file");
    last = entry.location;
    Require(!entry.message.empty(), "an error says something");
    Require(std::none_of(entry.message.begin(), entry.message.end(), IsControl),
            "an error has no control characters");
    Require(gateway::IsValidUtf8(entry.message), "an error is UTF-8");
  }
}

void Check(std::string_view text) {
  config::Diagnostics diagnostics("f");
  const config::ServiceConfig service = config::ParseService(text, "f", diagnostics);
  CheckDiagnostics(diagnostics.Sorted());
  for (const config::RunnerConfig& runner : service.runners) {
    (void)runner.options.dump();  // Throws on text that is not UTF-8.
  }
  if (diagnostics.empty()) {
    Require(!service.name.empty(), "a good service has a name");
    for (const config::RunnerConfig& runner : service.runners) {
      Require(runner.model.empty() != runner.backend.empty(), "a runner is a model or a backend");
    }
  }
  config::Diagnostics again("f");
  (void)config::ParseService(text, "f", again);
  Require(again.Sorted() == diagnostics.Sorted(), "reading again says the same");
}

}  // namespace
}  // namespace tiffin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::fuzz::Check(tiffin::fuzz::Input(data, size).Rest());
  return 0;
}
