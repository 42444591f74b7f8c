#include "gateway/graph/program.h"

#include "common/strings.h"

namespace tiffin::gateway {

Task<std::vector<Value>> RunnerHandle::Call(size_t step, std::vector<Value> inputs) {
  AwaitCall call(step, std::move(inputs));
  co_return co_await call;
}

Task<Value> RunnerHandle::Only(Task<std::vector<Value>> outputs) {
  std::vector<Value> all = co_await std::move(outputs);
  if (all.size() != 1) {
    co_return absl::InternalError(StrCat("Run is for methods with one output, and this one has ",
                                         all.size(), ": use RunMany"));
  }
  co_return std::move(all.front());
}

}  // namespace tiffin::gateway
