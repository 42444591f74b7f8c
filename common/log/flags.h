#pragma once

#include <string>
#include <vector>

#include "common/log/log.h"

namespace CLI {
class App;
}  // namespace CLI

namespace tiffin::log {

// How a program's command line says what it logs.
struct Flags {
  std::string format;
  std::string level;
};

// Adds --log-format and --log-level. `flags` outlives the parsing.
void AddFlags(CLI::App& app, Flags& flags);

Options OptionsOf(const Flags& flags);
// The same for another program's command line.
std::vector<std::string> ArgumentsOf(const Flags& flags);

}  // namespace tiffin::log
