#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "worker/python/port.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// What a method returns, on its way to where outputs go. Of one execution. With the interpreter's
// lock.
class Results {
 public:
  // Both outlive it.
  Results(const PythonMethod& method, int64_t rows, Outputs& outputs)
      : method_(method), rows_(rows), outputs_(outputs), early_(method.outputs.size()) {}

  // An array where an output is going to lie: the one that is named, else the first that has this
  // type and was not made yet. Throws what Python code is to see.
  py::object Empty(const py::tuple& shape, const py::object& dtype,
                   const std::optional<std::string>& name);
  // Checks what was returned and writes it, but what was made by Empty and returned as it is.
  // INTERNAL says what is wrong with it.
  absl::Status Write(const py::object& returned);
  // Outputs whose memory somebody else refers to, who could change it later.
  std::vector<std::pair<std::string_view, const LentMemory*>> Kept() const;

 private:
  // The memory of an output that was asked for before it was returned.
  struct Early {
    LentMemory memory;
    std::span<std::byte> bytes;
    Shape shape;
  };

  absl::Status WriteOne(size_t index, const py::object& value);
  absl::Status WriteArray(size_t index, const py::object& value);
  absl::Status WriteElements(size_t index, const py::object& value);
  absl::Status Wrong(size_t index, std::string_view what) const;
  // The shape that an output must have, with its rows.
  Shape Wanted(const Port& port) const;

  const PythonMethod& method_;
  const int64_t rows_;
  Outputs& outputs_;
  std::vector<std::optional<Early>> early_;
};

}  // namespace tiffin::worker
