#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "common/environment.h"

namespace CLI {
class App;
class Option;
class ParseError;
}  // namespace CLI

// What commands tell of themselves, and of a command line that is none.
namespace tiffin::gateway {

inline constexpr std::string_view kUsualExits = "0 done, 1 failed, 2 wrong usage or configuration";

// Ends the help of `command` with examples, which are run by the tests as they stand, and with what
// its exit codes mean.
void Teach(CLI::App& command, std::initializer_list<std::string_view> examples,
           std::string_view exits = kUsualExits);

// Puts options, by their names, under a heading of their own.
void Group(CLI::App& command, const std::string& heading,
           std::initializer_list<const char*> options);

// Has the help say that the option is the variable's value unless it is given. (Not what that is
// on this machine: help is the same everywhere.)
void DefaultTo(CLI::Option& option, const environment::Variable& variable);

// Lines of at most 100 columns, for `app` and for commands that are added later.
void UseHelpFormat(CLI::App& app);

// What is wrong with a command line: names the command, and the nearest word where one is unknown.
std::string UsageText(const CLI::App& app, const CLI::ParseError& error);

}  // namespace tiffin::gateway
