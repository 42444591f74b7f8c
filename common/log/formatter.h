#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/log/log.h"
#include "spdlog/formatter.h"

namespace tiffin::log {

// What Write and Record hand to spdlog: their parts in one text, which Formatter takes apart.
std::string Pack(std::string_view event, std::string_view message, const Fields& fields);

// Makes lines, whose times are UTC:
//   text  2026-01-02T03:04:05.123Z info a sentence
//         2026-01-02T03:04:05.123Z info worker: event {"key":"value"}
//   JSON  {"time":"2026-01-02T03:04:05.123456Z","level":"info","message":"...","pid":7,
//          "event":"...",...}
// Whatever a message has in it, it stays one line.
class Formatter : public spdlog::formatter {
 public:
  Formatter(Format format, std::string worker);

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override;
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<Formatter>(format_, worker_);
  }

 private:
  const Format format_;
  const std::string worker_;
  const std::string process_;  // Fields of all lines.
};

}  // namespace tiffin::log
