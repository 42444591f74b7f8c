#include "common/log/log.h"

#include <array>
#include <cstdio>
#include <functional>
#include <utility>

#include "absl/time/time.h"
#include "common/log/blocked_signals.h"
#include "common/log/descriptor_sink.h"
#include "common/log/formatter.h"
#include "common/strings.h"
#include "spdlog/async_logger.h"
#include "spdlog/details/thread_pool.h"
#include "spdlog/spdlog.h"

namespace tiffin::log {
namespace {

constexpr std::array<std::string_view, 5> kLevelNames = {"trace", "debug", "info", "warning",
                                                         "error"};
// Whose lines are for Formatter.
constexpr char kLoggerName[] = "tiffin";
constexpr absl::Duration kFinishGrace = absl::Seconds(1);

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kTrace:
      return spdlog::level::trace;
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      break;
  }
  return spdlog::level::err;
}

// `stop` is the last thing that the thread does.
std::shared_ptr<spdlog::details::thread_pool> MakePool(size_t queue, std::function<void()> stop) {
  const BlockedSignals blocked;  // SIGPIPE too, of a reader that is gone.
  return std::make_shared<spdlog::details::thread_pool>(
      queue, /*threads_n=*/1, [] {}, std::move(stop));
}

}  // namespace

std::optional<Level> ParseLevel(std::string_view name) {
  for (size_t i = 0; i < kLevelNames.size(); ++i) {
    if (kLevelNames[i] == name) return static_cast<Level>(i);
  }
  return std::nullopt;
}

std::string_view LevelName(Level level) { return kLevelNames.at(static_cast<size_t>(level)); }

// spdlog shares its loggers, sinks and thread pools.
class Log::Parts {
 public:
  explicit Parts(const Options& options)
      : before_(spdlog::default_logger()),
        pool_(MakePool(options.queue, [this] { sink_->flush(); })),
        sink_(std::make_shared<DescriptorSink>(
            options.descriptor,
            DescriptorSink::Source{
                .overrun = [pool = pool_.get()] { return pool->overrun_counter(); },
                .waiting = [pool = pool_.get()] { return pool->queue_size(); }})) {
    sink_->set_formatter(std::make_unique<Formatter>(options.format, options.worker));
    auto logger = std::make_shared<spdlog::async_logger>(
        kLoggerName, sink_, pool_, spdlog::async_overflow_policy::overrun_oldest);
    logger->set_level(ToSpdlog(options.level));
    spdlog::set_default_logger(std::move(logger));
  }

  ~Parts() {
    sink_->Finish(kFinishGrace);
    spdlog::set_default_logger(before_);
    pool_.reset();  // Ends its thread, after what waits.
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  uint64_t lost() const { return sink_->lost(); }

 private:
  const std::shared_ptr<spdlog::logger> before_;
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  const std::shared_ptr<DescriptorSink> sink_;
};

Log::Log(const Options& options)
    : format_(options.format), level_(options.level), parts_(std::make_unique<Parts>(options)) {}

Log::~Log() = default;

void Log::Fail(std::string_view why, absl::FunctionRef<void()> print) {
  if (format_ == Format::kJson) Write(Level::kError, "failed", why);
  parts_.reset();
  if (format_ == Format::kText) print();
}

uint64_t Log::lost() const { return parts_ == nullptr ? 0 : parts_->lost(); }

void Log::Set(Level level) { spdlog::default_logger_raw()->set_level(ToSpdlog(level)); }

bool Enabled(Level level) { return spdlog::default_logger_raw()->should_log(ToSpdlog(level)); }

void Write(Level level, std::string_view event, std::string_view message, const Fields& fields) {
  if (!Enabled(level)) return;
  spdlog::logger& logger = *spdlog::default_logger_raw();
  if (logger.name() == kLoggerName) {
    logger.log(ToSpdlog(level), Pack(event, message, fields));
  } else if (message.empty()) {
    logger.log(ToSpdlog(level), StrCat(event, " {", fields.json(), "}"));
  } else {
    logger.log(ToSpdlog(level), message);
  }
}

void Record(Level level, std::string_view event, const Fields& fields) {
  Write(level, event, "", fields);
}

}  // namespace tiffin::log
