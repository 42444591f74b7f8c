#include "common/config/diagnostics.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_format.h"
#include "common/strings.h"
#include "nlohmann/json.hpp"

namespace tiffin::config {
namespace {

constexpr char kPayload[] = "tiffin/diagnostics";

// A message quotes the file: what would break its line, or a terminal, is written as an escape.
std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out;
}

std::string TextOf(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (size_t i = 0; i < diagnostics.size(); ++i) {
    const auto& [file, location, message] = diagnostics[i];
    if (i > 0) text += '\n';
    if (i == kMaxDiagnosticsInText) {
      text += StrCat(file, ": and ", diagnostics.size() - i, " more; fix the first ones, then see");
      break;
    }
    text += file;
    if (location.line > 0) text += StrCat(":", location.line, ":", location.column);
    text += StrCat(": ", message);
  }
  return text;
}

absl::Status StatusOf(const std::string& text, const std::vector<Diagnostic>& diagnostics) {
  nlohmann::json payload = nlohmann::json::array();
  for (const auto& [file, location, message] : diagnostics) {
    payload.push_back({file, location.line, location.column, message});
  }
  absl::Status status = absl::InvalidArgumentError(text);
  status.SetPayload(kPayload, absl::Cord(payload.dump(
                                  /*indent=*/-1, /*indent_char=*/' ', /*ensure_ascii=*/false,
                                  nlohmann::json::error_handler_t::replace)));
  return status;
}

}  // namespace

void Diagnostics::Add(Location location, std::string message) {
  entries_.push_back({location, std::move(message)});
}

std::vector<Diagnostic> Diagnostics::Sorted() const {
  std::vector<const Entry*> entries;
  std::set<std::pair<Location, std::string_view>> seen;
  for (const Entry& entry : entries_) {
    if (seen.emplace(entry.location, entry.message).second) entries.push_back(&entry);
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry* a, const Entry* b) { return a->location < b->location; });
  std::vector<Diagnostic> sorted;
  sorted.reserve(entries.size());
  for (const Entry* entry : entries) {
    sorted.push_back({Printable(file_), entry->location, Printable(entry->message)});
  }
  return sorted;
}

std::string Diagnostics::ToString() const { return TextOf(Sorted()); }

absl::Status Diagnostics::ToStatus() const { return config::ToStatus({this, 1}); }

absl::Status ToStatus(std::span<const Diagnostics> files) {
  std::string text;
  std::vector<Diagnostic> all;
  for (const Diagnostics& file : files) {
    if (file.empty()) continue;
    std::vector<Diagnostic> sorted = file.Sorted();
    text += StrCat(text.empty() ? "" : "\n", TextOf(sorted));
    std::move(sorted.begin(), sorted.end(), std::back_inserter(all));
  }
  return all.empty() ? absl::OkStatus() : StatusOf(text, all);
}

std::vector<Diagnostic> DiagnosticsIn(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  std::vector<Diagnostic> diagnostics;
  if (!payload.has_value()) return diagnostics;
  for (const nlohmann::json& entry : nlohmann::json::parse(std::string(*payload))) {
    diagnostics.push_back({entry[0], {entry[1].get<int>(), entry[2].get<int>()}, entry[3]});
  }
  return diagnostics;
}

}  // namespace tiffin::config
