#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/log/log.h"
#include "worker/python/python.h"
#include "worker/python/results.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// The execution under way, as Python code sees it (tiffin.context()), which may keep it for longer:
// after End there is nothing left of it. With the interpreter's lock, by any thread.
class Call {
 public:
  // Both live until End.
  Call(const Invocation& invocation, Results& results)
      : invocation_(&invocation), results_(&results), rows_(invocation.rows) {}

  void End();

  std::vector<std::string> request_ids() const;
  int64_t rows() const { return rows_; }
  double time_left() const;  // In seconds.
  bool cancelled() const { return invocation_ == nullptr || invocation_->abandoned(); }
  py::object Empty(const py::tuple& shape, const py::object& dtype,
                   const std::optional<std::string>& output);
  // What a line of the log about it has.
  log::Fields Fields() const;

 private:
  const Invocation* invocation_;
  Results* results_;
  int64_t rows_;
};

// The program's module `_tiffin`, which the code in Python imports. To be called before the
// interpreter starts, or the module may be left out of the program.
void LinkModule();

}  // namespace tiffin::worker
