#include "gateway/commands/diagnostic_report.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>

#include "common/controls.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

// Longer lines than a terminal is wide help nobody.
constexpr size_t kMaxLine = 160;

// Empty where it can't be read.
std::vector<std::string> LinesOf(const std::string& file) {
  std::vector<std::string> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(std::move(line));
  return lines;
}

// What brings a caret below the `column`th byte of the line; columns start at 1.
std::string Indent(std::string_view line, size_t column) {
  std::string indent;
  for (const char c : line.substr(0, column - 1)) {
    const bool continues = (static_cast<unsigned char>(c) & 0xC0) == 0x80;  // A UTF-8 sequence.
    if (!continues) indent += c == '\t' ? '\t' : ' ';
  }
  return indent;
}

}  // namespace

std::string DiagnosticText(const config::Diagnostic& diagnostic, std::string_view line,
                           const TextStyle& style) {
  const auto& [file, location, message] = diagnostic;
  const std::string place =
      location.line > 0 ? StrCat(file, ":", location.line, ":", location.column) : file;
  std::string text = StrCat(style.Bold(StrCat(place, ":")), " ", message, "\n");
  const auto column = static_cast<size_t>(std::max(location.column, 0));
  if (line.empty() || column == 0 || column > line.size() + 1 || line.size() > kMaxLine) {
    return text;
  }
  const std::string number = StrCat(location.line);
  text += StrCat("  ", style.Dim(StrCat(number, " | ")), EscapeControls(line, "\t"), "\n");
  text += StrCat("  ", style.Dim(StrCat(std::string(number.size(), ' '), " | ")),
                 Indent(line, column), style.Red("^"), "\n");
  return text;
}

std::string DiagnosticTexts(const std::vector<config::Diagnostic>& diagnostics,
                            const TextStyle& style) {
  std::map<std::string, std::vector<std::string>> files;
  std::string text;
  size_t shown = 0;
  for (const config::Diagnostic& diagnostic : diagnostics) {
    if (shown == config::kMaxDiagnosticsInText) break;
    ++shown;
    auto [file, is_new] = files.try_emplace(diagnostic.file);
    if (is_new) file->second = LinesOf(diagnostic.file);
    const auto index = static_cast<size_t>(diagnostic.location.line) - 1;  // Of 0: far beyond.
    const bool known = index < file->second.size();
    text += DiagnosticText(diagnostic, known ? file->second[index] : "", style);
  }
  if (shown < diagnostics.size()) {
    text += StrCat("and ", diagnostics.size() - shown, " more; fix the first ones, then see\n");
  }
  return text;
}

void PrintDiagnostics(const absl::Status& status) {
  const std::string text =
      IsTerminal(STDERR_FILENO)
          ? DiagnosticTexts(config::DiagnosticsIn(status), StyleOf(STDERR_FILENO))
          : StrCat(Message(status), "\n");
  std::fputs(text.c_str(), stderr);
}

std::string_view TypesNote(const WorkerPlan& plan) {
  const bool read = std::all_of(plan.files.begin(), plan.files.end(),
                                [](const PlannedFile& file) { return file.form_ok; });
  return read ? "" : "fix these first; types are checked after";
}

}  // namespace tiffin::gateway
