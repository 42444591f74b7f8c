#include "worker/python/port.h"

#include <cstdlib>
#include <string_view>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::worker {
namespace {

absl::Status Invalid(const Port& port, std::string_view what) {
  PyErr_Clear();
  return absl::InvalidArgumentError(StrCat("input '", port.spec.name, "' ", what));
}

py::object Owned(PyObject* object) {
  if (object == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(object);
}

py::object BytesOf(std::string_view text) {
  return Owned(PyBytes_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
}

absl::StatusOr<py::object> TextOf(const Port& port, std::string_view text) {
  PyObject* decoded =
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr);
  if (decoded == nullptr) return Invalid(port, "is not UTF-8");
  return py::reinterpret_steal<py::object>(decoded);
}

absl::StatusOr<py::object> JsonOf(const Port& port, std::string_view text) {
  ASSIGN_OR_RETURN(const py::object decoded, TextOf(port, text));
  try {
    return py::module_::import("json").attr("loads")(decoded).cast<py::object>();
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_ValueError) && !error.matches(PyExc_RecursionError)) throw;
    return Invalid(port, "is not JSON");
  }
}

absl::StatusOr<py::object> ElementOf(const Port& port, std::string_view element) {
  switch (port.spec.type.kind) {
    case ValueKind::kText:
      return TextOf(port, element);
    case ValueKind::kJson:
      return JsonOf(port, element);
    case ValueKind::kImage:
      if (!port.decoder.is_none()) return port.decoder(BytesOf(element)).cast<py::object>();
      return BytesOf(element);
    case ValueKind::kBytes:
      return BytesOf(element);
    case ValueKind::kTensor:
      break;
  }
  std::abort();
}

// A tensor of BYTES.
py::object BytesArray(const Numpy& numpy, const TensorView& tensor,
                      const std::vector<std::string_view>& elements) {
  py::list list;
  for (const std::string_view element : elements) list.append(BytesOf(element));
  const py::object array = numpy.empty(elements.size(), "object");
  array.attr("__setitem__")(py::ellipsis(), list);
  return array.attr("reshape")(ToTuple(tensor.shape));
}

}  // namespace

py::tuple ToTuple(std::span<const int64_t> shape) {
  py::tuple tuple(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) tuple[i] = shape[i];
  return tuple;
}

std::string Describe(const py::handle& value) {
  if (py::hasattr(value, "dtype") && py::hasattr(value, "shape")) {
    return StrCat(std::string(py::str(value.attr("dtype"))), " of shape ",
                  std::string(py::str(value.attr("shape"))));
  }
  return Py_TYPE(value.ptr())->tp_name;
}

Numpy Numpy::Import() {
  const py::module_ numpy = py::module_::import("numpy");
  return {.ndarray = numpy.attr("ndarray"),
          .generic = numpy.attr("generic"),
          .asarray = numpy.attr("asarray"),
          .empty = numpy.attr("empty"),
          .copyto = numpy.attr("copyto")};
}

absl::StatusOr<py::object> ToPython(const PythonMethod& method, size_t index,
                                    const TensorView& tensor, std::vector<LentInput>& lent) {
  const Port& port = method.inputs[index];
  if (tensor.dtype != DataType::kBytes) {
    lent.push_back({port.spec.name, LentMemory::ReadOnly(tensor.bytes)});
    return method.numpy->ndarray(ToTuple(tensor.shape), port.dtype, lent.back().memory.object())
        .cast<py::object>();
  }
  ASSIGN_OR_RETURN(const std::vector<std::string_view> elements, ParseBytesElements(tensor.bytes));
  if (port.is_tensor()) return BytesArray(*method.numpy, tensor, elements);
  if (!method.batchable) return ElementOf(port, elements.at(0));
  py::list rows;
  for (const std::string_view element : elements) {
    ASSIGN_OR_RETURN(const py::object row, ElementOf(port, element));
    rows.append(row);
  }
  return rows;
}

}  // namespace tiffin::worker
