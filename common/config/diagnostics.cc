#include "common/config/diagnostics.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/strings.h"

namespace tiffin::config {
namespace {

// A file that is wrong everywhere would drown its reader.
constexpr size_t kMaxPrinted = 100;

// A message quotes the file: what would break its line, or a terminal, is written as an escape.
void AppendPrintable(std::string_view text, std::string& out) {
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
}

}  // namespace

void Diagnostics::Add(Location location, std::string message) {
  entries_.push_back({location, std::move(message)});
}

std::string Diagnostics::ToString() const {
  std::vector<const Entry*> sorted;
  std::set<std::pair<Location, std::string_view>> seen;
  for (const Entry& entry : entries_) {
    if (seen.emplace(entry.location, entry.message).second) sorted.push_back(&entry);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Entry* a, const Entry* b) { return a->location < b->location; });
  std::string text;
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (i > 0) text += '\n';
    if (i == kMaxPrinted) {
      text += StrCat(file_, ": and ", sorted.size() - i, " more; fix the first ones, then see");
      break;
    }
    const auto& [location, message] = *sorted[i];
    AppendPrintable(file_, text);
    if (location.line > 0) text += StrCat(":", location.line, ":", location.column);
    text += ": ";
    AppendPrintable(message, text);
  }
  return text;
}

absl::Status Diagnostics::ToStatus() const {
  if (empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(ToString());
}

absl::Status ToStatus(std::span<const Diagnostics> files) {
  std::string errors;
  for (const Diagnostics& file : files) {
    if (file.empty()) continue;
    if (!errors.empty()) errors += '\n';
    errors += file.ToString();
  }
  return errors.empty() ? absl::OkStatus() : absl::InvalidArgumentError(errors);
}

}  // namespace tiffin::config
