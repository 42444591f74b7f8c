#include "worker/python/memory.h"

#include <utility>

#include "worker/python/interpreter.h"

namespace tiffin::worker {
namespace {

struct Lent {
  PyObject_HEAD void* data;
  Py_ssize_t size;
  int is_read_only;
  std::shared_ptr<const void>* owner;  // Where it has to outlive its execution.
};

int GetBuffer(PyObject* self, Py_buffer* view, int flags) {
  auto* lent = reinterpret_cast<Lent*>(self);
  return PyBuffer_FillInfo(view, self, lent->data, lent->size, lent->is_read_only, flags);
}

void Deallocate(PyObject* self) {
  const std::shared_ptr<const void>* owner = reinterpret_cast<Lent*>(self)->owner;
  // At the end of the process nothing is given back any more.
  if (owner != nullptr && IsRuntimeThere()) {
    // It may be the last of a session's, whose end waits for threads that may wait for the lock.
    const py::gil_scoped_release unlocked;
    delete owner;
  }
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

// Made once in a process, as the interpreter is.
PyTypeObject* LentType() {
  static PyTypeObject* const type = [] {
    static PyType_Slot slots[] = {
        {Py_bf_getbuffer, reinterpret_cast<void*>(GetBuffer)},
        {Py_tp_dealloc, reinterpret_cast<void*>(Deallocate)},
        {0, nullptr},
    };
    static PyType_Spec spec = {.name = "_tiffin.Memory",
                               .basicsize = sizeof(Lent),
                               .itemsize = 0,
                               .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                               .slots = slots};
    return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  }();
  return type;
}

py::object Lend(const void* data, size_t size, int is_read_only) {
  static char nothing = 0;  // numpy wants an address of no bytes, too.
  Lent* lent = PyObject_New(Lent, LentType());
  if (lent == nullptr) throw py::error_already_set();
  lent->data = size == 0 ? &nothing : const_cast<void*>(data);
  lent->size = static_cast<Py_ssize_t>(size);
  lent->is_read_only = is_read_only;
  lent->owner = nullptr;
  return py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(lent));
}

}  // namespace

LentMemory LentMemory::ReadOnly(std::span<const std::byte> bytes) {
  return LentMemory(Lend(bytes.data(), bytes.size(), 1));
}

LentMemory LentMemory::Writable(std::span<std::byte> bytes) {
  return LentMemory(Lend(bytes.data(), bytes.size(), 0));
}

void LentMemory::Hold(std::shared_ptr<const void> owner) const {
  reinterpret_cast<Lent*>(object_.ptr())->owner = new std::shared_ptr<const void>(std::move(owner));
}

}  // namespace tiffin::worker
