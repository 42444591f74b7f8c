#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/signature.h"
#include "common/tensor.h"
#include "worker/python/memory.h"
#include "worker/python/python.h"

namespace tiffin::worker {

// An input or output of a method of Python's. With the interpreter's lock, destruction too.
struct Port {
  TensorSpec spec;
  py::object dtype;    // numpy's; None for what is no tensor.
  py::object decoder;  // Makes an array of an encoded image; None: it stays encoded.

  bool is_tensor() const { return spec.type.kind == ValueKind::kTensor; }
};

// What is used of numpy, looked up once. With the interpreter's lock, as all here.
struct Numpy {
  // Throws what importing it throws.
  static Numpy Import();

  py::object ndarray;
  py::object generic;  // The class of scalars.
  py::object asarray;
  py::object empty;
  py::object copyto;
};

// A method of a runner of Python's.
struct PythonMethod {
  py::object function;  // Bound.
  std::vector<Port> inputs;
  std::vector<Port> outputs;
  bool batchable = false;
  std::shared_ptr<const Numpy> numpy;  // Shared by all methods; nullptr where none has arrays.
};

// Memory that a method was lent for an input.
struct LentInput {
  std::string_view name;
  LentMemory memory;
};

// What Python is given for an input of the method: for a tensor an array over its memory, which is
// appended to `lent`; for all else objects of Python's, one or, of a batchable method, a list of
// one for each row. Tensors of BYTES are arrays of bytes. INVALID_ARGUMENT if it isn't what it is
// called.
absl::StatusOr<py::object> ToPython(const PythonMethod& method, size_t index,
                                    const TensorView& tensor, std::vector<LentInput>& lent);

// "float32 (2, 3)": what an array is, for messages.
std::string Describe(const py::handle& value);

py::tuple ToTuple(std::span<const int64_t> shape);

}  // namespace tiffin::worker
