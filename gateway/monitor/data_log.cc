#include "gateway/monitor/data_log.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/time/clock.h"
#include "common/log/blocked_signals.h"
#include "common/log/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/rotating_file_sink.h"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kFinishGrace = absl::Seconds(1);
// How often at most it is said that records are dropped.
constexpr absl::Duration kTellInterval = absl::Seconds(10);

absl::Status CheckFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (fs::is_directory(folder, error)) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat("--monitor-dir ", folder.native(),
                                           " is no folder, and can't be made one; name another"));
}

// A line that was cut, by a full disk or by the end of its writer, must not be the beginning of the
// next one. Throws what the sink throws.
void EndLastLine(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::ate | std::ios::binary);
  if (!file || file.tellg() <= 0) return;  // The sink tells what is wrong, if something is.
  file.seekg(-1, std::ios::end);
  if (file.get() == '\n') return;
  file.seekp(0, std::ios::end);
  if (!file.put('\n').flush()) spdlog::throw_spdlog_ex(StrCat("can't write to ", path));
}

}  // namespace

// A file that is written, and rotated when it is full. Throws nothing.
class DataLog::File {
 public:
  static absl::StatusOr<std::unique_ptr<File>> Open(const fs::path& path,
                                                    const config::MonitorConfig& config) {
    std::error_code error;
    // Anything else could be full, or nobody's, without an end.
    if (fs::exists(path, error) && !fs::is_regular_file(path, error)) {
      return absl::InvalidArgumentError(
          StrCat("monitor ", path.native(), " is no regular file; remove it, or name another"));
    }
    try {
      std::unique_ptr<File> file(new File(path, config));
      return file;
    } catch (const spdlog::spdlog_ex& failure) {
      return absl::InvalidArgumentError(StrCat("monitor ", path.native(), " can't be written (",
                                               failure.what(),
                                               "); give --monitor-dir a folder that can"));
    }
  }

  // False: it was not written. What is wrong is told once, and also when it is over.
  bool Write(const std::string& line) {
    const std::optional<std::string> failure = TryWrite(line);
    if (failure.has_value()) {
      if (!std::exchange(failed_, true)) {
        log::Write(log::Level::kError, "monitor_failed",
                   StrCat("monitor ", path_, " can't be written: ", *failure),
                   {{"file", path_}, {"error", *failure}});
      }
      return false;
    }
    if (std::exchange(failed_, false)) {
      log::Write(log::Level::kInfo, "monitor_recovered",
                 StrCat("monitor ", path_, " can be written again"), {{"file", path_}});
    }
    return true;
  }

 private:
  File(const fs::path& path, const config::MonitorConfig& config)
      : path_(path.native()), config_(config) {
    OpenSink();
  }

  void OpenSink() {
    EndLastLine(path_);
    sink_.emplace(path_, config_.rotate_size, static_cast<size_t>(config_.rotate_keep));
    sink_->set_formatter(std::make_unique<spdlog::pattern_formatter>("%v"));
  }

  // What went wrong, if it was not written.
  std::optional<std::string> TryWrite(const std::string& line) {
    try {
      if (!sink_.has_value()) OpenSink();
      sink_->log({"", spdlog::level::info, line});
      sink_->flush();
      return std::nullopt;
    } catch (const spdlog::spdlog_ex& failure) {
      sink_.reset();  // It may have lost its file, which it would write to all the same.
      return failure.what();
    }
  }

  const std::string path_;
  const config::MonitorConfig config_;
  std::optional<spdlog::sinks::rotating_file_sink_st> sink_;  // None after a failure.
  bool failed_ = false;
};

absl::StatusOr<std::unique_ptr<DataLog>> DataLog::Open(
    const fs::path& folder, std::span<const config::ServiceConfig> services, DataLogLimits limits) {
  RETURN_IF_ERROR(CheckFolder(folder));
  std::unique_ptr<DataLog> data_log(new DataLog(limits));
  for (const config::ServiceConfig& service : services) {
    for (const config::ApiConfig& api : service.apis) {
      if (!api.monitor.has_value()) continue;
      const config::MonitorConfig& monitor = *api.monitor;
      if (data_log->files_.contains(monitor.file)) {
        return absl::InvalidArgumentError(
            StrCat("service '", service.name, "', api '", api.name, "': the monitor's file '",
                   monitor.file, "' is that of another service too; name another one"));
      }
      ASSIGN_OR_RETURN(data_log->files_[monitor.file], File::Open(folder / monitor.file, monitor));
    }
  }
  const log::BlockedSignals blocked;  // SIGXFSZ too: a file that gets too large is an error.
  data_log->writer_ = std::thread([log = data_log.get()] { log->Run(); });
  return data_log;
}

DataLog::DataLog(DataLogLimits limits) : limits_(limits) {}

DataLog::~DataLog() {
  {
    const absl::MutexLock lock(&mutex_);
    write_until_ = absl::Now() + kFinishGrace;
  }
  if (writer_.joinable()) writer_.join();
}

bool DataLog::Samples(const PlannedMonitor& monitor) {
  if (monitor.config.sample >= 1) return true;
  const absl::MutexLock lock(&mutex_);
  return absl::Bernoulli(random_, monitor.config.sample);
}

void DataLog::Add(Execution& execution) {
  Execution::Monitored monitored = execution.TakeMonitored();
  const uint64_t bytes = RecordSize(monitored);
  {
    const absl::MutexLock lock(&mutex_);
    if (taken_records_ >= limits_.records || taken_bytes_ + bytes > limits_.bytes) {
      ++dropped_;
      return;
    }
    ++taken_records_;
    taken_bytes_ += bytes;
  }
  // What has its place is copied, and nothing else: values are large.
  Waiting waiting{.record = RecordOf(execution, std::move(monitored)), .bytes = bytes};
  const absl::MutexLock lock(&mutex_);
  waiting_.push_back(std::move(waiting));
}

void DataLog::Run() {
  const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !waiting_.empty() || write_until_ != absl::InfiniteFuture();
  };
  while (true) {
    Waiting next;
    absl::Time until;
    {
      const absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&has_work));
      if (waiting_.empty()) break;
      // One at a time: those that wait count, and can be dropped.
      next = std::move(waiting_.front());
      waiting_.pop_front();
      --taken_records_;
      taken_bytes_ -= next.bytes;
      until = write_until_;
    }
    if (absl::Now() < until) {
      Write(next.record);
    } else {
      ++dropped_;
    }
    TellDropped();
  }
  told_at_ = absl::InfinitePast();
  TellDropped();
}

void DataLog::Write(const DataRecord& record) {
  if (!files_.at(record.file)->Write(ToJson(record))) ++dropped_;
}

void DataLog::TellDropped() {
  const uint64_t dropped = dropped_;
  const absl::Time now = absl::Now();
  if (dropped == told_dropped_ || now < told_at_ + kTellInterval) return;
  log::Write(log::Level::kWarning, "monitor_records_dropped",
             StrCat(dropped - told_dropped_,
                    " records of monitors were dropped: the disk is full, "
                    "or slower than the requests"),
             {{"dropped", dropped - told_dropped_}, {"dropped_in_all", dropped}});
  told_dropped_ = dropped;
  told_at_ = now;
}

}  // namespace tiffin::gateway
