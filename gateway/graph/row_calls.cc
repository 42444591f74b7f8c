#include "gateway/graph/row_calls.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/graph/rows.h"

namespace tiffin::gateway {
namespace {

class RowCalls : public PendingCall {
 public:
  // `call` without its inputs, which are in `inputs`; to be made as `count` calls.
  RowCalls(Runner& runner, Call call, int64_t count, std::vector<RowReader> inputs, CallDone done)
      : runner_(runner),
        call_(std::move(call)),
        count_(count),
        inputs_(std::move(inputs)),
        done_(std::move(done)),
        window_(std::clamp<int64_t>(runner.calls_at_once(), 1, kRowCallsAtOnce)),
        outputs_(call_.signature->outputs.size(), std::vector<Value>(static_cast<size_t>(count))) {}

  // `before`: where the time went until now.
  void StartMore(const CallTimings& before) {
    while (next_ < count_ && static_cast<int64_t>(pending_.size()) < window_) {
      const int64_t index = next_++;
      pending_[index] = {.before = before,
                         .call = runner_.Start(CallNumber(index),
                                               [this, index](absl::StatusOr<CallResult> result) {
                                                 OnResult(index, std::move(result));
                                               })};
    }
  }

 private:
  // The first row of a call; for count_, the number of rows.
  int64_t FirstRow(int64_t index) const { return call_.rows * index / count_; }

  Call CallNumber(int64_t index) const {
    const int64_t first = FirstRow(index);
    Call part{.method = call_.method,
              .signature = call_.signature,
              .inputs = {},
              .rows = FirstRow(index + 1) - first,
              .deadline = call_.deadline,
              .retries = call_.retries,
              .request_id = call_.request_id,
              .trace = call_.trace};
    for (const RowReader& input : inputs_) {
      part.inputs.push_back(input.rows() == 1 ? input.value() : input.Rows(first, part.rows));
    }
    return part;
  }

  std::string NameOf(int64_t index) const {
    const int64_t first = FirstRow(index);
    const int64_t last = FirstRow(index + 1) - 1;
    return first == last ? StrCat("row ", first) : StrCat("rows ", first, " to ", last);
  }

  void OnResult(int64_t index, absl::StatusOr<CallResult> result) {
    CallTimings way = pending_.extract(index).mapped().before;
    if (result.ok() && result->outputs.size() != outputs_.size()) {
      result = absl::InternalError("the runner gave another number of outputs than it declares");
    }
    if (!result.ok()) {
      return Finish(absl::Status(result.status().code(),
                                 StrCat(NameOf(index), ": ", Message(result.status()))));
    }
    for (size_t output = 0; output < outputs_.size(); ++output) {
      outputs_[output][static_cast<size_t>(index)] = std::move(result->outputs[output]);
    }
    way.queue += result->timings.queue;
    way.batch += result->timings.batch;
    way.compute += result->timings.compute;
    way.retry += result->timings.retry;
    way.retries += result->timings.retries;
    computed_ += result->timings.compute;
    for (const Executions& executions : result->executions) Note(executions);
    StartMore(way);
    if (!pending_.empty()) return;
    way.overlapped = computed_ - way.compute;
    way.calls = count_;
    Finish(Gather(way));
  }

  // There may be thousands, but of few sizes.
  void Note(const Executions& more) {
    const auto same = std::find_if(executions_.begin(), executions_.end(),
                                   [&](const Executions& sum) { return sum.rows == more.rows; });
    if (same == executions_.end()) {
      executions_.push_back(more);
    } else {
      same->count += more.count;
      same->compute += more.compute;
    }
  }

  absl::StatusOr<CallResult> Gather(const CallTimings& timings) {
    CallResult gathered{.outputs = {}, .timings = timings, .executions = executions_};
    for (size_t output = 0; output < outputs_.size(); ++output) {
      absl::StatusOr<Value> value = GatherRows(outputs_[output]);
      if (!value.ok()) {
        return absl::Status(value.status().code(),
                            StrCat("output '", call_.signature->outputs[output].name,
                                   "': ", Message(value.status())));
      }
      gathered.outputs.push_back(*std::move(value));
    }
    return gathered;
  }

  // The last thing to do: `done` may destroy this.
  void Finish(absl::StatusOr<CallResult> result) {
    pending_.clear();
    CallDone done = std::move(done_);
    done(std::move(result));
  }

  struct Part {
    CallTimings before;  // Of the calls that it had to wait for.
    std::unique_ptr<PendingCall> call;
  };

  Runner& runner_;
  const Call call_;
  const int64_t count_;
  const std::vector<RowReader> inputs_;
  CallDone done_;
  const int64_t window_;                     // Of calls under way.
  std::vector<std::vector<Value>> outputs_;  // By output, then by call.
  absl::Duration computed_;
  ExecutionList executions_;
  int64_t next_ = 0;
  std::map<int64_t, Part> pending_;  // By call.
};

}  // namespace

int64_t RowsPerCall(const MethodSignature& signature) {
  if (!signature.batchable) return 1;
  return signature.max_batch_size > 0 ? signature.max_batch_size
                                      : std::numeric_limits<int64_t>::max();
}

absl::StatusOr<std::unique_ptr<PendingCall>> StartRowCalls(Runner& runner, Call call,
                                                           CallDone done) {
  const int64_t at_once = RowsPerCall(*call.signature);
  const int64_t count = (call.rows - 1) / at_once + 1;
  if (count > kMaxRowCalls) {
    return absl::InvalidArgumentError(
        StrCat(*call.method, " takes its rows ", at_once, " at a time, and ", call.rows,
               " are too many; send at most ", kMaxRowCalls * at_once, " in one request"));
  }
  std::vector<RowReader> inputs;
  for (Value& value : call.inputs) {
    ASSIGN_OR_RETURN(RowReader reader, RowReader::Create(std::move(value)));
    if (reader.rows() != 1 && reader.rows() != call.rows) {
      return absl::InternalError(
          StrCat("an input has ", reader.rows(), " rows, and the call ", call.rows));
    }
    inputs.push_back(std::move(reader));
  }
  call.inputs.clear();
  auto calls = std::make_unique<RowCalls>(runner, std::move(call), count, std::move(inputs),
                                          std::move(done));
  calls->StartMore(CallTimings{});
  return calls;
}

}  // namespace tiffin::gateway
