#include "worker/python/environment.h"

#include <fstream>
#include <system_error>

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/python/python.h"

namespace tiffin::worker {
namespace {

namespace fs = std::filesystem;

constexpr char kConfig[] = "pyvenv.cfg";

// "3.11", of "3.11.2" or "3.11.2.final.0".
std::string MinorOf(std::string_view version) {
  const size_t first = version.find('.');
  const size_t second = first == version.npos ? version.npos : version.find('.', first + 1);
  return std::string(version.substr(0, second));
}

// What pyvenv.cfg says of the version; empty if it doesn't.
std::string VersionIn(std::istream& config) {
  std::string line;
  while (std::getline(config, line)) {
    const size_t equals = line.find('=');
    if (equals == line.npos) continue;
    const std::string_view key = Trim(std::string_view(line).substr(0, equals));
    if (key == "version" || key == "version_info") {
      return std::string(Trim(std::string_view(line).substr(equals + 1)));
    }
  }
  return "";
}

}  // namespace

std::string OwnPythonVersion() { return StrCat(PY_MAJOR_VERSION, ".", PY_MINOR_VERSION); }

absl::StatusOr<PythonEnvironment> FindEnvironment(const fs::path& folder) {
  const std::string own = OwnPythonVersion();
  if (folder.empty()) {
    return PythonEnvironment{.executable = StrCat(TIFFIN_PYTHON_HOME, "/bin/python", own)};
  }
  const std::string how = StrCat("make it with 'python", own, " -m venv ", folder.native(),
                                 "', or correct 'environment' in the service file");
  std::error_code code;
  if (!fs::is_directory(folder, code)) {
    return absl::InvalidArgumentError(
        StrCat("environment '", folder.native(), "': no such folder; ", how));
  }
  std::ifstream config(folder / kConfig);
  if (!config) {
    return absl::InvalidArgumentError(StrCat("environment '", folder.native(),
                                             "' is no virtual environment: it has no ", kConfig,
                                             "; ", how));
  }
  const std::string version = VersionIn(config);
  if (version.empty()) {
    return absl::InvalidArgumentError(
        StrCat("environment '", folder.native(), "': its ", kConfig, " names no version; ", how));
  }
  if (MinorOf(version) != own) {
    return absl::InvalidArgumentError(StrCat("environment '", folder.native(), "' is of Python ",
                                             version, ", and this worker has Python ", own,
                                             ", which can't use its packages; ", how));
  }
  return PythonEnvironment{.executable = folder / "bin" / "python"};
}

}  // namespace tiffin::worker
