#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace tiffin::config {

// A place in a file; line and column start at 1. 0: the whole file.
struct Location {
  int line = 0;
  int column = 0;

  friend auto operator<=>(const Location&, const Location&) = default;
};

// One thing that is wrong with a file.
struct Diagnostic {
  std::string file;
  Location location;
  std::string message;  // What is wrong, and the fix; one line, without control characters.

  friend bool operator==(const Diagnostic&, const Diagnostic&) = default;
};

// A text of all would drown the reader of a file that is wrong everywhere: it has so many of them.
inline constexpr size_t kMaxDiagnosticsInText = 100;

// Gathers everything that is wrong with one file, so that one run reports it all.
class Diagnostics {
 public:
  explicit Diagnostics(std::string file) : file_(std::move(file)) {}

  // `message` says what is wrong, and the fix.
  void Add(Location location, std::string message);
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  // In the order of the file, without repeats.
  std::vector<Diagnostic> Sorted() const;
  // Sorted(), a line `file:line:column: message` each.
  std::string ToString() const;
  // OK if empty, else INVALID_ARGUMENT with ToString().
  absl::Status ToStatus() const;

 private:
  struct Entry {
    Location location;
    std::string message;
  };
  std::string file_;
  std::vector<Entry> entries_;
};

// OK if all are empty, else INVALID_ARGUMENT with what they say, one file after the other.
absl::Status ToStatus(std::span<const Diagnostics> files);
// What such a status was made of, as it travels with it; nothing where it is another error.
std::vector<Diagnostic> DiagnosticsIn(const absl::Status& status);

}  // namespace tiffin::config
