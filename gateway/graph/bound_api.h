#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "gateway/graph/plan.h"
#include "gateway/graph/runner.h"

namespace tiffin::gateway {

// A planned API with the runners of one loop: what an Execution runs. Made once per API and loop,
// immutable, and used on that loop's thread. The plan and the runners outlive it.
class BoundApi {
 public:
  // INTERNAL if `find` gives null for a runner of the plan.
  static absl::StatusOr<BoundApi> Create(const PlannedApi& plan,
                                         absl::FunctionRef<Runner*(const std::string&)> find);

  const PlannedApi& plan() const { return *plan_; }
  // Null for a function's step.
  Runner* runner(size_t step) const { return runners_[step]; }

  // Every input of the API and every output of a step has a slot in an execution's table of values.
  size_t slot(const ValueSource& source) const {
    return first_slots_[source.from == ValueSource::From::kInput ? 0 : source.index + 1] +
           (source.from == ValueSource::From::kInput ? source.index : source.output);
  }
  // By slot: how often arguments and outputs of the API take its value.
  const std::vector<uint32_t>& readers() const { return readers_; }

 private:
  explicit BoundApi(const PlannedApi& plan) : plan_(&plan) {}

  const PlannedApi* plan_;
  std::vector<Runner*> runners_;
  // Of the inputs, then of each step.
  std::vector<size_t> first_slots_;
  std::vector<uint32_t> readers_;
};

}  // namespace tiffin::gateway
