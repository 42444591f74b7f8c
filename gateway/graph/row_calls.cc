#include "gateway/graph/row_calls.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/graph/rows.h"

namespace tiffin::gateway {
namespace {

class RowCalls : public PendingCall {
 public:
  // `call` without its inputs, which are in `inputs`.
  RowCalls(Runner& runner, Call call, std::vector<RowReader> inputs, CallDone done)
      : runner_(runner),
        call_(std::move(call)),
        inputs_(std::move(inputs)),
        done_(std::move(done)),
        outputs_(call_.signature->outputs.size(),
                 std::vector<Value>(static_cast<size_t>(call_.rows))) {}

  void StartMore() {
    while (next_row_ < call_.rows && static_cast<int64_t>(pending_.size()) < kRowsAtOnce) {
      const int64_t row = next_row_++;
      pending_[row] = runner_.Start(OneRow(row), [this, row](absl::StatusOr<CallResult> result) {
        OnResult(row, std::move(result));
      });
    }
  }

 private:
  Call OneRow(int64_t row) const {
    Call one{.method = call_.method,
             .signature = call_.signature,
             .inputs = {},
             .rows = 1,
             .deadline = call_.deadline,
             .retries = call_.retries,
             .request_id = call_.request_id};
    for (const RowReader& input : inputs_) {
      one.inputs.push_back(input.rows() == 1 ? input.value() : input.Copy(row));
    }
    return one;
  }

  void OnResult(int64_t row, absl::StatusOr<CallResult> result) {
    pending_.erase(row);
    if (result.ok() && result->outputs.size() != outputs_.size()) {
      result = absl::InternalError("the runner gave another number of outputs than it declares");
    }
    if (!result.ok()) {
      return Finish(absl::Status(result.status().code(),
                                 StrCat("row ", row, ": ", Message(result.status()))));
    }
    for (size_t output = 0; output < outputs_.size(); ++output) {
      outputs_[output][static_cast<size_t>(row)] = std::move(result->outputs[output]);
    }
    // The longest of the waits, which went on side by side, and all of the work.
    timings_.queue = std::max(timings_.queue, result->timings.queue);
    timings_.batch = std::max(timings_.batch, result->timings.batch);
    timings_.compute += result->timings.compute;
    StartMore();
    if (pending_.empty()) Finish(Gather());
  }

  absl::StatusOr<CallResult> Gather() {
    CallResult gathered{.outputs = {}, .timings = timings_};
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

  Runner& runner_;
  const Call call_;
  const std::vector<RowReader> inputs_;
  CallDone done_;
  std::vector<std::vector<Value>> outputs_;  // By output, then by row.
  CallTimings timings_;
  int64_t next_row_ = 0;
  std::map<int64_t, std::unique_ptr<PendingCall>> pending_;  // By row.
};

}  // namespace

absl::StatusOr<std::unique_ptr<PendingCall>> StartRowCalls(Runner& runner, Call call,
                                                           CallDone done) {
  if (call.rows > kMaxRowCalls) {
    return absl::InvalidArgumentError(StrCat(*call.method, " takes its rows one by one, and ",
                                             call.rows, " are too many; send at most ",
                                             kMaxRowCalls, " in one request"));
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
  auto calls =
      std::make_unique<RowCalls>(runner, std::move(call), std::move(inputs), std::move(done));
  calls->StartMore();
  return calls;
}

}  // namespace tiffin::gateway
