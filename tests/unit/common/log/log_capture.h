#pragma once

#include <memory>
#include <sstream>
#include <string>

#include "common/log/log.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"

namespace tiffin::log {

// Catches what is logged while it lives, in place of stderr: "info a sentence", or
// "info event {fields}".
class LogCapture {
 public:
  explicit LogCapture(Level level = Level::kInfo) : before_(spdlog::default_logger()) {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(stream_);
    sink->set_pattern("%l %v");
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", std::move(sink)));
    spdlog::default_logger()->set_level(level == Level::kDebug ? spdlog::level::debug
                                                               : spdlog::level::info);
  }
  ~LogCapture() { spdlog::set_default_logger(before_); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  std::string text() const { return stream_.str(); }

 private:
  std::ostringstream stream_;
  std::shared_ptr<spdlog::logger> before_;
};

}  // namespace tiffin::log
