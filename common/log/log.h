#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/functional/function_ref.h"
#include "nlohmann/json.hpp"

// What the programs say on stderr, a line for each thing that happened. By any thread; it never
// waits for who reads stderr.
namespace tiffin::log {

enum class Level { kTrace, kDebug, kInfo, kWarning, kError };

// "trace", "debug", "info", "warning", "error".
std::optional<Level> ParseLevel(std::string_view name);
std::string_view LevelName(Level level);

enum class Format { kText, kJson };

struct Options {
  Format format = Format::kText;
  Level level = Level::kInfo;
  // "digits.model_a" in a worker; empty in the gateway.
  std::string worker = {};
  // Lines that wait to be written. When there are more, the oldest are lost, and counted.
  size_t queue = 4096;
  int descriptor = 2;
};

// The program's log, from here to its destruction, which writes what still waits, for a second at
// most. Just one at a time; without one, what is said goes to stderr as text, at once. Made and
// destroyed while no other thread logs.
class Log {
 public:
  explicit Log(const Options& options);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  Format format() const { return format_; }
  Level level() const { return level_; }  // As it was made with.
  // Lines that were not written, for they came faster than they were read.
  uint64_t lost() const;
  // The last thing that is said: why the program ends. As text it is what `print` prints on stderr,
  // after all else; as JSON it is a line as any other, for who reads JSON reads nothing else.
  void Fail(std::string_view why, absl::FunctionRef<void()> print);
  // More or less than Options::level says, until Restore. From any thread.
  void Set(Level level);
  void Restore() { Set(level_); }

 private:
  class Parts;

  const Format format_;
  const Level level_;
  std::unique_ptr<Parts> parts_;
};

// A key of a line with its value. Views; outlived by what they show.
class Field {
 public:
  Field(std::string_view key, std::string_view text) : key_(key), value_(text) {}
  Field(std::string_view key, const std::string& text) : key_(key), value_(text) {}
  Field(std::string_view key, const char* text) : key_(key), value_(std::string_view(text)) {}
  Field(std::string_view key, bool value) : key_(key), value_(value) {}
  Field(std::string_view key, double value) : key_(key), value_(value) {}
  Field(std::string_view key, std::integral auto value)
      : key_(key), value_(static_cast<int64_t>(value)) {}
  Field(std::string_view key, const nlohmann::json& value) : key_(key), value_(&value) {}

  // `"key":value`
  void AppendTo(std::string& json) const;

 private:
  std::string_view key_;
  std::variant<std::string_view, bool, double, int64_t, const nlohmann::json*> value_;
};

// Those of a line, in order.
class Fields {
 public:
  Fields() = default;
  Fields(std::initializer_list<Field> fields) {  // NOLINT(google-explicit-constructor): a list.
    for (const Field& field : fields) Add(field);
  }
  void Add(const Field& field);
  // What is between the braces of an object.
  const std::string& json() const { return json_; }

 private:
  std::string json_;
};

// A line at this level would be written: for who would go to some length to say it.
bool Enabled(Level level);

// Something that people want to read of, in a sentence that has all of it. The event's name and the
// fields say the same to programs: they are written as JSON only.
void Write(Level level, std::string_view event, std::string_view message,
           const Fields& fields = {});
// A record: its fields are all there is to say. As text, they follow the event's name as a JSON
// object.
void Record(Level level, std::string_view event, const Fields& fields);

}  // namespace tiffin::log
