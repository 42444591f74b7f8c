#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "common/unique_fd.h"
#include "spdlog/sinks/base_sink.h"

namespace tiffin::log {

// Writes lines, as many at once as wait, to a descriptor that others may share, whatever it is.
// Waits for a reader that is slow, in the log's own thread, and not beyond Finish.
class DescriptorSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  // Where the lines come from.
  struct Source {
    std::function<uint64_t()> overrun;  // How many did not get here.
    std::function<size_t()> waiting;    // How many are about to come.
  };
  DescriptorSink(int descriptor, Source source);

  // From any thread: what takes longer than `grace` from now on is not written.
  void Finish(absl::Duration grace);
  // Lines that did not get here, and those that were given up.
  uint64_t lost() { return source_.overrun() + given_up_; }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override;

 private:
  void Append(const spdlog::details::log_msg& message);
  // How much of it was written before it was given up.
  size_t WriteSome(std::string_view text);
  bool AwaitRoom();
  void TellLost(const spdlog::details::log_msg& message);

  const Source source_;
  UniqueFd own_;  // The same file, opened again so as not to block; if it is of such a kind.
  const int descriptor_;
  bool is_socket_ = false;
  UniqueFd finish_;  // Readable from Finish on.
  std::atomic<int64_t> finish_by_ns_ = std::numeric_limits<int64_t>::max();  // Of Monotonic().
  size_t at_once_ = 0;                                                       // Bytes of one write.
  std::string batch_;
  bool cut_ = false;  // What was written last is not the end of a line.
  std::atomic<uint64_t> given_up_ = 0;
  uint64_t told_ = 0;
  uint64_t told_before_ = 0;  // The batch's report.
  size_t report_end_ = 0;     // Of the one that is in the batch; 0: none is.
};

}  // namespace tiffin::log
