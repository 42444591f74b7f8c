#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace tiffin::gateway {

// An executable shell script, to stand in for a worker program.
inline std::filesystem::path WriteScript(const std::filesystem::path& path,
                                         const std::string& body) {
  std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

}  // namespace tiffin::gateway
