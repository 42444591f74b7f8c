#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "common/strings.h"

// What the targets have in common. A target is one file with the function that libFuzzer calls:
//   extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
// and a comment that says what must hold for every input. Built for libFuzzer, or, in all other
// builds, with replay.cc. It depends on nothing but its input.
namespace tiffin::fuzz {

// Ends the program, so that the input is kept, unless `holds`.
inline void Require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: broken: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

// An input, from which numbers are taken off the front.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  // Zero where nothing is left.
  uint8_t Byte() { return static_cast<uint8_t>(Number(1)); }
  // Of so many bytes, little-endian.
  uint64_t Number(size_t bytes = 8) {
    uint64_t number = 0;
    for (size_t i = 0; i < bytes && !rest_.empty(); ++i) {
      number |= uint64_t{static_cast<uint8_t>(rest_.front())} << (8 * i);
      rest_.remove_prefix(1);
    }
    return number;
  }
  // To the end of the line, which is taken too.
  std::string_view Line() {
    const std::string_view line = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(line.size() < rest_.size() ? line.size() + 1 : line.size());
    return line;
  }
  std::string_view Rest() const { return rest_; }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace tiffin::fuzz
