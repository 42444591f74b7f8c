#pragma once

#include <span>
#include <string>

// What the programs read from the environment. Nothing else looks into it, so that this is all.
namespace tiffin::environment {

struct Variable {
  const char* name;
  const char* meaning;
  const char* otherwise;  // What holds where it is not set, or empty.
};

inline constexpr Variable kStore = {"TIFFIN_STORE", "The model store", "~/.tiffin/models"};
inline constexpr Variable kWorkerPath = {
    "TIFFIN_WORKER_PATH",
    "More folders of worker programs, with colons between, searched after those of --worker-dir",
    "none"};
inline constexpr Variable kAddress = {"TIFFIN_ADDRESS", "The server that `tiffin call` asks",
                                      "127.0.0.1:8001"};
inline constexpr Variable kToken = {
    "TIFFIN_TOKEN", "The bearer token that `tiffin call` and `tiffin top` send", "none"};
inline constexpr Variable kHome = {"HOME", "What ~ is", "the user's folder in the system's list"};
inline constexpr Variable kRuntime = {"XDG_RUNTIME_DIR", "The folder of sockets is `tiffin` in it",
                                      "`tiffin-UID` in the temporary folder"};
inline constexpr Variable kTemporary = {
    "TMPDIR", "The temporary folder (else TMP, TEMP or TEMPDIR: the C++ library looks there)",
    "/tmp"};
inline constexpr Variable kPath = {
    "PATH", "Where `tiffin check --graph` looks for Graphviz' dot, and `tiffin new` for `tiffin`",
    "that of the C library"};
inline constexpr Variable kNoColor = {"NO_COLOR", "Anything: messages have no colours",
                                      "colours on a terminal"};
inline constexpr Variable kTerminal = {"TERM", "`dumb`: messages have no colours",
                                       "colours on a terminal"};
inline constexpr Variable kLocaleAll = {
    "LC_ALL", "A locale with UTF-8: `tiffin call --timing` draws with blocks", "LC_CTYPE"};
inline constexpr Variable kLocaleType = {"LC_CTYPE", "Likewise", "LANG"};
inline constexpr Variable kLocale = {"LANG", "Likewise", "it draws with `#`"};

// All of them.
std::span<const Variable> All();

// Its value; empty where it is not set.
std::string Get(const Variable& variable);

// "$TIFFIN_STORE, else ~/.tiffin/models"
std::string DefaultText(const Variable& variable);

}  // namespace tiffin::environment
