#include "gateway/commands/help.h"

#include <memory>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_split.h"
#include "common/config/name_hint.h"
#include "common/keys/rows.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

constexpr size_t kColumns = 100;
constexpr size_t kIndent = 26;

// `text` in lines that begin at column kIndent, behind `head`.
std::string Wrapped(std::string head, std::string_view text) {
  std::string out;
  std::string line = std::move(head);
  if (line.size() + 2 > kIndent) {
    out = StrCat(line, "\n");
    line.clear();
  }
  line.resize(kIndent, ' ');
  bool is_empty = true;
  for (const auto word : absl::StrSplit(ToAbsl(text), ' ', absl::SkipEmpty())) {
    if (!is_empty && line.size() + 1 + word.size() > kColumns) {
      out += StrCat(line, "\n");
      line.assign(kIndent, ' ');
      is_empty = true;
    }
    line += StrCat(is_empty ? "" : " ", word);
    is_empty = false;
  }
  return StrCat(out, line, "\n");
}

class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    std::string head = StrCat("  ", make_option_name(option, is_positional));
    const std::string kind = option->get_type_name();
    if (!is_positional && option->get_type_size() != 0) head += StrCat(" ", kind);
    std::string text = option->get_description();
    std::vector<std::string> notes;
    if (!option->get_default_str().empty()) {
      notes.push_back(StrCat("default: ", option->get_default_str()));
    }
    for (std::string& note : keys::NotesOf(*option)) notes.push_back(std::move(note));
    for (size_t i = 0; i < notes.size(); ++i) {
      text += StrCat(i == 0 ? " (" : "; ", notes[i], i + 1 == notes.size() ? ")" : "");
    }
    return Wrapped(std::move(head), text);
  }

  // Without the second empty line that CLI11 puts before groups.
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    return CLI::detail::find_and_replace(CLI::Formatter::make_help(app, std::move(name), mode),
                                         "\n\n\n", "\n\n");
  }

  std::string make_subcommand(const CLI::App* command) const override {
    return Wrapped(StrCat("  ", command->get_name()), command->get_description());
  }
};

struct ReachedCommand {
  const CLI::App& command;
  std::string path;  // "tiffin models import"
};

// The command that the command line got to.
ReachedCommand Reached(const CLI::App& app) {
  const CLI::App* reached = &app;
  std::string path = app.get_name();
  while (true) {
    const std::vector<CLI::App*> parsed = reached->get_subcommands();
    if (parsed.empty()) return {.command = *reached, .path = std::move(path)};
    reached = parsed.back();
    path += StrCat(" ", reached->get_name());
  }
}

std::vector<std::string> OptionsOf(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back(StrCat("--", name));
  }
  return names;
}

std::vector<std::string> CommandsOf(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* sub : command.get_subcommands(nullptr)) names.push_back(sub->get_name());
  return names;
}

std::string UnknownText(std::string_view kind, const std::string& word,
                        const std::vector<std::string>& known) {
  const std::vector<std::string_view> names(known.begin(), known.end());
  const std::string_view nearest = config::Nearest(word, names);
  return StrCat("there is no ", kind, " ", config::Quoted(word),
                nearest.empty() ? std::string() : StrCat("; did you mean '", nearest, "'?"));
}

// The unknown option or command that made parsing fail; empty: it was something else.
std::string UnknownWord(const CLI::App& command) {
  const std::vector<std::string> left = command.remaining();
  for (const std::string& word : left) {
    if (!word.starts_with("--") || word.size() == 2) continue;
    const std::string name = word.substr(0, word.find('='));
    return UnknownText("option", name, OptionsOf(command));
  }
  const std::vector<std::string> commands = CommandsOf(command);
  if (!left.empty() && !commands.empty()) return UnknownText("command", left.front(), commands);
  return "";
}

}  // namespace

void Teach(CLI::App& command, std::initializer_list<std::string_view> examples,
           std::string_view exits) {
  std::string text = "Examples:\n";
  for (const std::string_view example : examples) text += StrCat("  ", example, "\n");
  command.footer(StrCat(text, "\nExit codes: ", exits));
}

void Group(CLI::App& command, const std::string& heading,
           std::initializer_list<const char*> options) {
  for (const char* name : options) command.get_option(name)->group(heading);
}

void DefaultTo(CLI::Option& option, const environment::Variable& variable) {
  option.default_str(environment::DefaultText(variable));
}

void UseHelpFormat(CLI::App& app) {
  auto format = std::make_shared<HelpFormatter>();  // CLI11 shares it among its commands.
  format->label("Positionals", "Arguments");
  format->label("SUBCOMMAND", "COMMAND");
  app.formatter(std::move(format));
}

std::string UsageText(const CLI::App& app, const CLI::ParseError& error) {
  const auto [command, path] = Reached(app);
  const std::string unknown = UnknownWord(command);
  return StrCat(path, ": ", unknown.empty() ? error.what() : unknown, "\n'", path,
                " --help' shows how it is used\n");
}

}  // namespace tiffin::gateway
