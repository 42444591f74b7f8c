#include "gateway/client/argument.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <system_error>

#include "absl/strings/ascii.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway::client {
namespace {

bool IsName(std::string_view text) {
  if (text.empty() || absl::ascii_isdigit(static_cast<unsigned char>(text.front()))) return false;
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_') return false;
  }
  return true;
}

// Half a file is not what was meant.
absl::StatusOr<std::string> ReadAll(std::istream& in, std::string_view name) {
  std::string content;
  char piece[64 << 10];
  errno = 0;
  while (in.read(piece, sizeof(piece)) || in.gcount() > 0) {
    content.append(piece, static_cast<size_t>(in.gcount()));
  }
  if (!in.bad()) return content;
  return absl::InvalidArgumentError(
      StrCat("can't read '", name, "' to its end: ", std::strerror(errno)));
}

// Pipes will do too, such as those of a shell's <(...).
absl::StatusOr<std::string> ReadContent(const std::string& file) {
  if (file == "-") return ReadAll(std::cin, "stdin");
  std::error_code code;
  if (std::filesystem::is_directory(file, code)) {
    return absl::InvalidArgumentError(
        StrCat("'", file, "' is a folder; name a file, or '--each ", file, "' for all in it"));
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return absl::InvalidArgumentError(StrCat("can't read '", file, "': ", std::strerror(errno),
                                             "; name a file after the '@' ('@@' begins a value ",
                                             "with an '@')"));
  }
  return ReadAll(in, file);
}

}  // namespace

absl::StatusOr<Argument> ReadArgument(const std::string& text) {
  Argument argument{.written = text, .name = "", .content = text};
  const size_t equals = text.find('=');
  if (equals != std::string::npos && IsName(std::string_view(text).substr(0, equals))) {
    argument.name = text.substr(0, equals);
    argument.content = text.substr(equals + 1);
  }
  if (argument.content.starts_with("@@")) {
    argument.content.erase(0, 1);
  } else if (argument.content.starts_with("@")) {
    argument.from_file = true;
    ASSIGN_OR_RETURN(argument.content, ReadContent(argument.content.substr(1)));
  }
  return argument;
}

}  // namespace tiffin::gateway::client
