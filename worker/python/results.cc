#include "worker/python/results.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::worker {
namespace {

// What an object lends, given back on destruction. Of none where it lends nothing of that kind.
class Borrowed {
 public:
  Borrowed(const py::handle& object, int flags)
      : is_lent_(PyObject_GetBuffer(object.ptr(), &view_, flags) == 0) {
    if (!is_lent_) PyErr_Clear();
  }
  ~Borrowed() {
    if (is_lent_) PyBuffer_Release(&view_);
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

  bool is_lent() const { return is_lent_; }
  std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(view_.buf), static_cast<size_t>(view_.len)};
  }

 private:
  Py_buffer view_{};
  bool is_lent_;
};

Shape ToShape(const py::handle& tuple) {
  Shape shape;
  for (const py::handle& dimension : tuple) shape.push_back(dimension.cast<int64_t>());
  return shape;
}

// An element of BYTES, as an object that has UTF-8 or bytes. None: it is no such element.
py::object Encoded(ValueKind kind, const py::handle& value) {
  if (kind == ValueKind::kJson) {
    return py::module_::import("json").attr("dumps")(value, py::arg("ensure_ascii") = false,
                                                     py::arg("allow_nan") = false);
  }
  const bool is_text = PyUnicode_Check(value.ptr()) != 0;
  if (kind == ValueKind::kText) return is_text ? py::cast<py::object>(value) : py::none();
  if (is_text && kind == ValueKind::kTensor) return py::cast<py::object>(value);
  if (PyBytes_Check(value.ptr()) != 0) return py::cast<py::object>(value);
  if (PyByteArray_Check(value.ptr()) != 0 || PyMemoryView_Check(value.ptr()) != 0) {
    return py::bytes(value.cast<py::object>());
  }
  return py::none();
}

// Of what Encoded made, as long as that lives.
std::string_view ViewOf(const py::handle& encoded) {
  Py_ssize_t size = 0;
  if (PyUnicode_Check(encoded.ptr()) != 0) {
    const char* text = PyUnicode_AsUTF8AndSize(encoded.ptr(), &size);
    if (text == nullptr) throw py::error_already_set();
    return {text, static_cast<size_t>(size)};
  }
  char* bytes = nullptr;
  if (PyBytes_AsStringAndSize(encoded.ptr(), &bytes, &size) != 0) throw py::error_already_set();
  return {bytes, static_cast<size_t>(size)};
}

std::string_view NameOf(ValueKind kind) {
  switch (kind) {
    case ValueKind::kText:
      return "str";
    case ValueKind::kJson:
      return "JSON";
    default:
      return "bytes";
  }
}

// A list or a tuple; a text is a sequence too, and never meant.
bool IsList(const py::handle& value) {
  return PyList_Check(value.ptr()) != 0 || PyTuple_Check(value.ptr()) != 0;
}

}  // namespace

Shape Results::Wanted(const Port& port) const {
  Shape shape = port.spec.type.shape;
  if (method_.batchable) shape.insert(shape.begin(), rows_);
  return shape;
}

absl::Status Results::Wrong(size_t index, std::string_view what) const {
  return absl::InternalError(
      StrCat("output '", method_.outputs[index].spec.name, "': the method returned ", what));
}

py::object Results::Empty(const py::tuple& shape, const py::object& dtype,
                          const std::optional<std::string>& name) {
  const Shape wanted = ToShape(shape);
  for (size_t i = 0; i < method_.outputs.size(); ++i) {
    const Port& port = method_.outputs[i];
    if (name.has_value() ? port.spec.name != *name : early_[i].has_value()) continue;
    const bool fits = port.is_tensor() && port.spec.type.dtype != DataType::kBytes &&
                      dtype.equal(port.dtype) && ShapeMatches(wanted, Wanted(port));
    if (!fits && !name.has_value()) continue;
    if (!fits || early_[i].has_value()) {
      throw py::value_error(
          StrCat("tiffin.empty: output '", port.spec.name, "' ",
                 fits ? std::string("was made already") : StrCat("is ", ToString(port.spec.type))));
    }
    const absl::StatusOr<uint64_t> size = ByteSize(port.spec.type.dtype, wanted);
    const auto bytes = size.ok() ? outputs_.Allocate(i, port.spec.type.dtype, wanted, *size)
                                 : absl::StatusOr<std::span<std::byte>>(size.status());
    if (!bytes.ok()) {
      PyErr_SetString(PyExc_MemoryError, std::string(Message(bytes.status())).c_str());
      throw py::error_already_set();
    }
    early_[i] = Early{LentMemory::Writable(*bytes), *bytes, wanted};
    return method_.numpy->ndarray(shape, port.dtype, early_[i]->memory.object());
  }
  throw py::value_error(
      StrCat("tiffin.empty: no output ", name.has_value()
                                             ? StrCat("'", *name, "'")
                                             : StrCat("of ", std::string(py::str(dtype)),
                                                      " takes the shape ", ShapeToString(wanted))));
}

absl::Status Results::Write(const py::object& returned) {
  if (method_.outputs.size() == 1) return WriteOne(0, returned);
  std::string names;
  for (const Port& port : method_.outputs) {
    names += StrCat(names.empty() ? "" : ", ", port.spec.name);
  }
  if (PyDict_Check(returned.ptr()) == 0) {
    return absl::InternalError(StrCat("the method returned ", Describe(returned),
                                      ", and must return a dict of its outputs: ", names));
  }
  const auto dict = py::reinterpret_borrow<py::dict>(returned);
  if (dict.size() != method_.outputs.size()) {
    return absl::InternalError(StrCat("the method returned the outputs ",
                                      std::string(py::str(py::list(dict))), ", and must return ",
                                      names));
  }
  for (size_t i = 0; i < method_.outputs.size(); ++i) {
    const py::str name(method_.outputs[i].spec.name);
    if (!dict.contains(name)) {
      return absl::InternalError(
          StrCat("the method did not return the output '", method_.outputs[i].spec.name, "'"));
    }
    RETURN_IF_ERROR(WriteOne(i, dict[name]));
  }
  return absl::OkStatus();
}

absl::Status Results::WriteOne(size_t index, const py::object& value) {
  const ValueType& type = method_.outputs[index].spec.type;
  return type.dtype == DataType::kBytes ? WriteElements(index, value) : WriteArray(index, value);
}

absl::Status Results::WriteArray(size_t index, const py::object& value) {
  const Port& port = method_.outputs[index];
  const Numpy& numpy = *method_.numpy;
  if (!py::isinstance(value, numpy.ndarray) && !py::isinstance(value, numpy.generic)) {
    return Wrong(index, StrCat(Describe(value), " where an array of ", ToString(port.spec.type),
                               " is declared; convert it by numpy.asarray"));
  }
  const py::object dtype = value.attr("dtype");
  const Shape shape = ToShape(value.attr("shape"));
  const bool is_right_type = dtype.is(port.dtype) || dtype.equal(port.dtype);
  if (!is_right_type || !ShapeMatches(shape, Wanted(port))) {
    std::string rows;
    if (method_.batchable) rows = StrCat(" in ", rows_, rows_ == 1 ? " row" : " rows");
    return Wrong(index,
                 StrCat(Describe(value), " where ", ToString(port.spec.type), rows, " is declared",
                        is_right_type ? ""
                                      : StrCat("; convert it by .astype(numpy.",
                                               std::string(py::str(port.dtype)), ")")));
  }
  if (!early_[index].has_value()) {
    ASSIGN_OR_RETURN(const uint64_t size, ByteSize(port.spec.type.dtype, shape));
    ASSIGN_OR_RETURN(const std::span<std::byte> bytes,
                     outputs_.Allocate(index, port.spec.type.dtype, shape, size));
    early_[index] = Early{LentMemory::Writable(bytes), bytes, shape};
  }
  const Early& to = *early_[index];
  if (to.shape != shape) {
    return Wrong(index, StrCat(Describe(value), ", and tiffin.empty had made it of the shape ",
                               ShapeToString(to.shape)));
  }
  if (const Borrowed from(value, PyBUF_C_CONTIGUOUS); from.is_lent()) {
    const bool is_there = from.bytes().data() == to.bytes.data();
    if (!is_there && !to.bytes.empty()) {
      std::memmove(to.bytes.data(), from.bytes().data(), to.bytes.size());
    }
    return absl::OkStatus();
  }
  numpy.copyto(numpy.ndarray(ToTuple(shape), port.dtype, to.memory.object()), value);
  return absl::OkStatus();
}

absl::Status Results::WriteElements(size_t index, const py::object& value) {
  const Port& port = method_.outputs[index];
  const ValueKind kind = port.spec.type.kind;
  Shape shape;
  py::list values;
  if (port.is_tensor()) {
    const py::object array = method_.numpy->asarray(value, py::arg("dtype") = "object");
    shape = ToShape(array.attr("shape"));
    if (!ShapeMatches(shape, Wanted(port))) {
      return Wrong(index,
                   StrCat(Describe(array), " where ", ToString(port.spec.type), " is declared"));
    }
    values = array.attr("ravel")().attr("tolist")();
  } else if (!method_.batchable) {
    shape = {1};
    values.append(value);
  } else if (!IsList(value) || static_cast<int64_t>(py::len(value)) != rows_) {
    return Wrong(index, StrCat(Describe(value),
                               IsList(value) ? StrCat(" of ", py::len(value)) : std::string(),
                               " where a list of ", NameOf(kind), " is declared, one for each of ",
                               rows_, rows_ == 1 ? " row" : " rows"));
  } else {
    shape = {rows_};
    values = py::list(value);
  }
  std::vector<py::object> encoded;
  std::vector<std::string_view> elements;
  uint64_t size = 0;
  for (const py::handle& element : values) {
    encoded.push_back(Encoded(kind, element));
    if (encoded.back().is_none()) {
      return Wrong(index, StrCat(Describe(element), " where ", NameOf(kind), " is declared"));
    }
    elements.push_back(ViewOf(encoded.back()));
    size += kBytesElementHeader + elements.back().size();
  }
  ASSIGN_OR_RETURN(const std::span<std::byte> memory,
                   outputs_.Allocate(index, DataType::kBytes, shape, size));
  std::byte* to = memory.data();
  for (const std::string_view element : elements) {
    for (size_t i = 0; i < kBytesElementHeader; ++i) {
      *to++ = static_cast<std::byte>((element.size() >> (8 * i)) & 0xFF);
    }
    to = std::copy_n(reinterpret_cast<const std::byte*>(element.data()), element.size(), to);
  }
  return absl::OkStatus();
}

std::vector<std::pair<std::string_view, const LentMemory*>> Results::Kept() const {
  std::vector<std::pair<std::string_view, const LentMemory*>> kept;
  for (size_t i = 0; i < early_.size(); ++i) {
    if (early_[i].has_value() && early_[i]->memory.IsKept()) {
      kept.emplace_back(method_.outputs[i].spec.name, &early_[i]->memory);
    }
  }
  return kept;
}

}  // namespace tiffin::worker
