#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/security/token_file.h"
#include "common/security/watched_files.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/unique_fd.h"
#include "gateway/commands/command.h"
#include "gateway/commands/help.h"
#include "gateway/commands/print.h"

namespace tiffin::gateway {
namespace {

constexpr mode_t kFileMode = 0600;

struct TokenCommand {
  std::string name;
  std::vector<std::string> services;
  std::string append;
};

// The file's text with the line behind it, if that is a good file of tokens.
absl::Status CheckWithLine(const std::string& file, const std::string& line) {
  std::string text;
  if (std::error_code code; std::filesystem::exists(file, code)) {
    ASSIGN_OR_RETURN(text, security::ReadNamedFile("--append", file));
    if (!text.empty() && !text.ends_with('\n')) {
      return absl::InvalidArgumentError(
          StrCat("--append '", file, "': its last line has no end; end it first"));
    }
  }
  return security::ParseTokens(text + line, file.empty() ? "this token" : file).status();
}

absl::Status Append(const std::string& file, const std::string& line) {
  const UniqueFd opened(::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kFileMode));
  if (!opened.valid() ||
      ::write(opened.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    return absl::InvalidArgumentError(
        StrCat("--append '", file, "': ", std::strerror(errno), "; name a file to write to"));
  }
  return absl::OkStatus();
}

absl::Status MakeOne(const TokenCommand& command) {
  const std::string token = security::MakeToken();
  const std::string line = security::TokenLine(
      {.name = command.name, .services = command.services, .digest = security::DigestOf(token)});
  RETURN_IF_ERROR(CheckWithLine(command.append, line));
  if (command.append.empty()) {
    Print(StrCat("The token, for who calls; it is not kept, and not shown again:\n", token,
                 "\nIts line, for the file of 'tiffin serve --tokens FILE':\n", line));
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(Append(command.append, line));
  Print(token + "\n");
  return absl::OkStatus();
}

}  // namespace

void AddToken(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<TokenCommand>();  // Shared with the command that may run.
  CLI::App* token = app.add_subcommand(
      "token", "Make a token for clients, and its line for the file of 'serve --tokens'.");
  token->add_option("name", options->name, "Whose it is: the log tells it instead of the token")
      ->required();
  token
      ->add_option("--service", options->services,
                   "A service that it may call; again for each. '*' is all, and everything else "
                   "that a server answers; '/metrics' is GET /metrics")
      ->allow_extra_args(false)
      ->required();
  token->add_option("--append", options->append,
                    "Put the line into this file, and print just the token");
  Teach(*token, {"tiffin token checkout --service inference_graph_demo",
                 "tiffin token prometheus --service /metrics"});
  token->callback([options, &chosen] {
    chosen = [options] {
      const absl::Status made = MakeOne(*options);
      return made.ok() ? kExitDone : ReportError(made);
    };
  });
}

}  // namespace tiffin::gateway
