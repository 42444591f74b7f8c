#include "common/log/flags.h"

#include "CLI/CLI.hpp"

namespace tiffin::log {
namespace {

constexpr char kFormat[] = "--log-format";
constexpr char kLevel[] = "--log-level";
constexpr char kText[] = "text";
constexpr char kJson[] = "json";

}  // namespace

void AddFlags(CLI::App& app, Flags& flags) {
  flags = {.format = kText, .level = std::string(LevelName(Level::kInfo))};
  app.add_option(kFormat, flags.format,
                 "How stderr is written: text, or json (a line is an object)")
      ->check(CLI::IsMember({kText, kJson}))
      ->capture_default_str();
  std::vector<std::string> levels;
  for (const Level level :
       {Level::kTrace, Level::kDebug, Level::kInfo, Level::kWarning, Level::kError}) {
    levels.emplace_back(LevelName(level));
  }
  app.add_option(
         kLevel, flags.level,
         "What is logged: this and what is graver. SIGUSR1 turns debug on, SIGUSR2 goes back")
      ->check(CLI::IsMember(levels))
      ->capture_default_str();
}

Options OptionsOf(const Flags& flags) {
  return {.format = flags.format == kJson ? Format::kJson : Format::kText,
          .level = ParseLevel(flags.level).value_or(Level::kInfo)};
}

std::vector<std::string> ArgumentsOf(const Flags& flags) {
  return {kFormat, flags.format, kLevel, flags.level};
}

}  // namespace tiffin::log
